// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <cstddef>
#include <iostream>
#include <system_error>
#include <windows.h>

#include <shellapi.h>  // needs <windows.h>

#include "exclusive_system.hpp"

namespace {

[[noreturn]] void fail(DWORD error, const char* what) {
    throw std::system_error{static_cast<int>(error), std::system_category(), what};
}

std::wstring widen(const std::string& utf8) {
    if (utf8.empty()) return {};
    const int size = MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), nullptr, 0);
    std::wstring wide(static_cast<std::size_t>(size), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), wide.data(), size);
    return wide;
}

std::string narrow(const wchar_t* wide) {
    const int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, nullptr, 0, nullptr, nullptr);
    if (size == 0) fail(GetLastError(), "cannot read the arguments");
    std::string utf8(static_cast<std::size_t>(size), '\0');
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, utf8.data(), size, nullptr, nullptr);
    utf8.pop_back();  // the terminator
    return utf8;
}

/// So that CommandLineToArgvW, and the C runtime of most programs, make this word of it again.
std::wstring quoted(const std::wstring& word) {
    if (!word.empty() && word.find_first_of(L" \t\"") == std::wstring::npos) return word;
    std::wstring result{L'"'};
    std::size_t backslashes = 0;
    for (const wchar_t c : word) {
        if (c == L'"') result.append(backslashes + 1, L'\\');
        backslashes = c == L'\\' ? backslashes + 1 : 0;
        result += c;
    }
    return result.append(backslashes, L'\\') += L'"';
}

/// Ctrl-C reaches the command as well as us, and the command decides.
BOOL WINAPI ignore(DWORD event) { return event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT; }

}  // namespace

std::vector<std::string> start(int /*argc*/, char** /*argv*/) {  // which are in the code page of the user
    SetConsoleOutputCP(CP_UTF8);
    int count = 0;
    wchar_t** const words = CommandLineToArgvW(GetCommandLineW(), &count);
    if (words == nullptr) fail(GetLastError(), "cannot read the arguments");
    std::vector<std::string> arguments;
    for (int i = 1; i < count; ++i) arguments.push_back(narrow(words[i]));
    LocalFree(words);
    return arguments;
}

std::filesystem::path to_path(const std::string& utf8) { return widen(utf8); }

void take_the_name_of(const std::vector<std::string>& /*command*/) {}  // a process cannot change its name here

int run(const std::vector<std::string>& command) {
    std::wstring line;
    for (const std::string& word : command) line += (line.empty() ? L"" : L" ") + quoted(widen(word));

    SetConsoleCtrlHandler(ignore, TRUE);
    STARTUPINFOW startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION started{};
    if (!CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started)) {
        const DWORD error = GetLastError();
        std::cerr << "exclusive: cannot run '" << command[0]
                  << "': " << std::system_category().message(static_cast<int>(error)) << std::endl;
        return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? exit_not_found : exit_cannot_run;
    }
    CloseHandle(started.hThread);
    WaitForSingleObject(started.hProcess, INFINITE);
    DWORD status = 0;
    GetExitCodeProcess(started.hProcess, &status);
    CloseHandle(started.hProcess);
    return static_cast<int>(status);
}
