// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Many may read a price list at once; whoever changes it must be alone with it.
//
// What to look at: "readers at once" is more than 1, so that readers do not wait for each other, and yet no reader ever
// saw a list that was only half written ("torn lists: 0"). The same holds when several programs run at once in the same
// directory (the list is the file prices.txt).
#include <atomic>
#include <future>
#include <iostream>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "numbers.hpp"
#include "options.hpp"

namespace {

constexpr int prices_in_list = 50;

std::atomic<int> readers_inside{0};
std::atomic<int> most_readers_inside{0};
std::atomic<int> torn_lists{0};

void note_the_most(int count) {
    int most = most_readers_inside.load();
    while (most < count && !most_readers_inside.compare_exchange_weak(most, count)) {
    }
}

void read_often(nlock::named_lock lock) {
    for (int i = 0; i < 500; ++i) {
        const auto guard = lock.acquire_shared();
        note_the_most(++readers_inside);
        const std::vector<int> prices = read_numbers("prices.txt");
        if (prices != std::vector<int>(prices_in_list, prices.empty() ? 0 : prices.front())) ++torn_lists;
        --readers_inside;
    }
}

void raise_all_prices(nlock::named_lock lock) {
    const auto guard = lock.acquire();
    const std::vector<int> prices = read_numbers("prices.txt");
    const int price = prices.empty() ? 1 : prices.front() + 1;
    write_numbers("prices.txt", std::vector<int>(prices_in_list, price));
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"readers_writer", "Reads a price list in four threads at once while it is written."};
    return run_example(self, argc, argv, [](const auto&) {
        const nlock::named_lock lock{"prices"};
        raise_all_prices(lock);  // there is a list before anybody reads
        std::vector<std::future<void>> readers;
        for (int i = 0; i < 4; ++i) readers.push_back(std::async(std::launch::async, read_often, lock));
        for (int i = 0; i < 20; ++i) raise_all_prices(lock);
        for (auto& reader : readers) reader.get();
        std::cout << "4 readers read 500 lists each while 20 were written\n"
                  << "readers at once: up to " << most_readers_inside << '\n'
                  << "torn lists: " << torn_lists << '\n';
        return torn_lists == 0 ? 0 : 1;
    });
}
