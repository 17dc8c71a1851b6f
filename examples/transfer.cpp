// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Two locks at once: money goes from one account to another, and both have to be locked.
//
// One thread sends from alice to bob, another from bob to alice. If each locked the sender first and the receiver next,
// both would soon wait for each other, for ever. acquire_all() takes locks in an order that all callers share.
//
// What to look at: it ends, and the total is the same as before, also when several programs run at once in the same
// directory (the accounts are the files transfer/alice and transfer/bob).
#include <array>
#include <filesystem>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "numbers.hpp"
#include "options.hpp"

namespace {

const std::filesystem::path accounts = "transfer";
constexpr int opening_balance = 1000;
constexpr int transfers_each_way = 200;

int balance_of(const std::string& owner) {
    const std::vector<int> balance = read_numbers(accounts / owner);
    return balance.empty() ? opening_balance : balance.front();
}

void set_balance(const std::string& owner, int balance) { write_numbers(accounts / owner, {balance}); }

nlock::named_lock lock_of(const std::string& owner) { return nlock::named_lock{"account " + owner, accounts}; }

void transfer(const std::string& sender, const std::string& receiver, int amount) {
    const auto guards = nlock::acquire_all({lock_of(sender), lock_of(receiver)});
    set_balance(sender, balance_of(sender) - amount);
    set_balance(receiver, balance_of(receiver) + amount);
}

void transfer_often(const std::string& sender, const std::string& receiver) {
    for (int i = 0; i < transfers_each_way; ++i) transfer(sender, receiver, 1);
}

int total() {
    const auto guards = nlock::acquire_all({lock_of("alice"), lock_of("bob")});
    return balance_of("alice") + balance_of("bob");
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"transfer", "Sends money from alice to bob and back at once, locking both accounts."};
    return run_example(self, argc, argv, [](const auto&) {
        std::cout << "total before: " << total() << '\n';
        auto there = std::async(std::launch::async, transfer_often, "alice", "bob");
        auto back = std::async(std::launch::async, transfer_often, "bob", "alice");
        there.get();
        back.get();
        const int after = total();
        std::cout << 2 * transfers_each_way << " transfers\ntotal after:  " << after << '\n';
        return after == 2 * opening_balance ? 0 : 1;
    });
}
