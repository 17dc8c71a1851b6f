// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the fuzz targets share. LLVM's libFuzzer calls LLVMFuzzerTestOneInput with bytes of its choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

/// As assert, whatever NDEBUG says: libFuzzer keeps the input that made it abort.
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                               \
            std::abort();                                                                                              \
        }                                                                                                              \
    } while (false)

/// The bytes, to be taken from the front; zeros when they are used up.
class input {
  public:
    input(const std::uint8_t* data, std::size_t size) noexcept : rest_{reinterpret_cast<const char*>(data), size} {}

    template <class T>
    T take() noexcept {
        T value{};
        const std::size_t size = rest_.size() < sizeof value ? rest_.size() : sizeof value;
        if (size != 0) std::memcpy(&value, rest_.data(), size);
        rest_.remove_prefix(size);
        return value;
    }

    std::string_view take_text(std::size_t size) noexcept {
        const std::string_view text = rest_.substr(0, size);
        rest_.remove_prefix(text.size());
        return text;
    }

    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

  private:
    std::string_view rest_;
};
