// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The keys of a lock in etcd, and their spelling in JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <named_lock/detail/name_rules.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

/// Chosen by us and not by the server, so that a request whose answer was lost can be repeated.
using lease_id = std::int64_t;

/// In JSON, etcd's keys and values are base64 (RFC 4648).
inline std::string to_base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto byte = [&](std::size_t i) {
            return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u;
        };
        const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
        text += digits[group >> 18];
        text += digits[group >> 12 & 63];
        text += at + 1 < bytes.size() ? digits[group >> 6 & 63] : '=';
        text += at + 2 < bytes.size() ? digits[group & 63] : '=';
    }
    return text;
}

/// Ends at the first byte that is no digit.
inline std::string from_base64(std::string_view text) {
    std::string bytes;
    unsigned group = 0;
    int bits = 0;
    for (const char c : text) {
        const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : c >= '0' && c <= '9' ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (digit < 0) break;
        group = group << 6 | static_cast<unsigned>(digit);
        if ((bits += 6) >= 8) bytes += static_cast<char>(group >> (bits -= 8) & 255u);
    }
    return bytes;
}

/// Without it, whoever holds "q/x" would stand in the queue of "q", whose entries are all keys below "q/".
inline std::string escape(std::string_view name) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string escaped;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (c != '/' && c != '%' && byte >= 0x20 && byte != 0x7F) {
            escaped += c;
        } else {
            escaped.append(1, '%').append(1, hex[byte >> 4]).append(1, hex[byte & 15]);
        }
    }
    return escaped;
}

/// The queue of a lock: the keys below key() + "/", in the order in which they were created. The first one holds it.
/// etcdctl lock and Go's Mutex queue in the same way.
class queue_names {
  public:
    queue_names(std::string_view name, std::string_view prefix)
        : name_{checked_lock_name(name)}, key_{std::string{prefix}.append(escape(name))} {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] std::string begin() const { return key_ + '/'; }
    [[nodiscard]] std::string end() const { return key_ + '0'; }  // the byte after '/'

    [[nodiscard]] std::string entry(lease_id id) const {
        constexpr std::string_view hex = "0123456789abcdef";
        std::string digits;
        for (auto rest = static_cast<std::uint64_t>(id); rest != 0; rest >>= 4) digits.insert(0, 1, hex[rest & 15]);
        return begin() + digits;
    }

  private:
    std::string name_;
    std::string key_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd
