// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <io.h>
#include <iostream>
#include <random>
#include <system_error>
#include <windows.h>

#include <shellapi.h>  // needs <windows.h>

#include "system.hpp"

namespace {

[[noreturn]] void fail(DWORD error, const std::string& what) {
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
    if (size == 0) fail(GetLastError(), "cannot write it in UTF-8");
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

/// Its process, or null with GetLastError() set.
HANDLE start_program(const std::vector<std::string>& command, STARTUPINFOW startup = {}) {
    std::wstring line;
    for (const std::string& word : command) line += (line.empty() ? L"" : L" ") + quoted(widen(word));
    startup.cb = sizeof startup;
    PROCESS_INFORMATION started{};
    if (!CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &started)) {
        return nullptr;
    }
    CloseHandle(started.hThread);
    return started.hProcess;
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
    for (int i = 0; i < count; ++i) arguments.push_back(narrow(words[i]));
    LocalFree(words);
    return arguments;
}

std::filesystem::path to_path(const std::string& utf8) { return widen(utf8); }
std::string to_utf8(const std::filesystem::path& path) { return narrow(path.c_str()); }

bool is_watched() { return _isatty(_fileno(stderr)) != 0; }

std::filesystem::path make_temp_dir(const std::string& prefix) {  // others may not enter the user's anyway
    std::random_device random;
    std::filesystem::path dir;
    do {
        dir = std::filesystem::temp_directory_path() / (prefix + "." + std::to_string(random()));
    } while (!std::filesystem::create_directory(dir));
    return dir;
}

std::optional<std::filesystem::path> path_in_environment(const char* variable) {
    const wchar_t* const value = _wgetenv(widen(variable).c_str());
    if (value == nullptr || *value == L'\0') return std::nullopt;
    return value;
}

std::int64_t own_pid() { return GetCurrentProcessId(); }

int run(const std::vector<std::string>& command) {
    SetConsoleCtrlHandler(ignore, TRUE);
    const HANDLE process = start_program(command);
    if (process == nullptr) {
        const DWORD error = GetLastError();
        std::cerr << "named-lock: cannot run '" << command[0]
                  << "': " << std::system_category().message(static_cast<int>(error)) << std::endl;
        return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? exit_not_found : exit_cannot_run;
    }
    WaitForSingleObject(process, INFINITE);
    DWORD status = 0;
    GetExitCodeProcess(process, &status);
    CloseHandle(process);
    return static_cast<int>(status);
}

void share_input(const void* bytes, std::size_t size) {
    wchar_t name[MAX_PATH];
    if (GetTempFileNameW(std::filesystem::temp_directory_path().c_str(), L"in", 0, name) == 0) {
        fail(GetLastError(), "GetTempFileNameW");
    }
    SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
    const HANDLE file = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, &inheritable, CREATE_ALWAYS,
                                    FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
    DWORD written = 0;
    if (file == INVALID_HANDLE_VALUE || !WriteFile(file, bytes, static_cast<DWORD>(size), &written, nullptr) ||
        SetFilePointer(file, 0, nullptr, FILE_BEGIN) == INVALID_SET_FILE_POINTER) {
        fail(GetLastError(), "cannot write a temporary file");
    }
    CloseHandle(GetStdHandle(STD_INPUT_HANDLE));
    SetStdHandle(STD_INPUT_HANDLE, file);
}

bool read_shared(void* bytes, std::size_t size) {
    DWORD got = 0;
    return ReadFile(GetStdHandle(STD_INPUT_HANDLE), bytes, static_cast<DWORD>(size), &got, nullptr) && got == size;
}

struct child_program::parts {
    HANDLE printed;
    HANDLE process;
};

child_program::child_program(const std::vector<std::string>& command) {
    HANDLE ours = nullptr;
    HANDLE its = nullptr;
    if (!CreatePipe(&ours, &its, nullptr, 0)) fail(GetLastError(), "CreatePipe");
    SetHandleInformation(its, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);

    STARTUPINFOW startup{};
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = its;
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    const HANDLE process = start_program(command, startup);
    const DWORD error = GetLastError();
    CloseHandle(its);
    if (process == nullptr) {
        CloseHandle(ours);
        fail(error, command[0]);
    }
    parts_ = std::make_unique<parts>(parts{ours, process});
}

child_program::~child_program() {
    kill();
    WaitForSingleObject(parts_->process, INFINITE);
    CloseHandle(parts_->process);
    CloseHandle(parts_->printed);
}

int child_program::next_printed() {
    unsigned char printed = 0;
    DWORD size = 0;
    return ReadFile(parts_->printed, &printed, 1, &size, nullptr) && size == 1 ? printed : EOF;
}

void child_program::kill() { TerminateProcess(parts_->process, 1); }

void child_program::go_on() {}
