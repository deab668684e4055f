// Starts the programs for the tests, each in a fork of this process, which has loaded LibTorch:
// loading it takes most of the time of a short run. Stdin is a socket. A request is a line with the
// number of bytes that follow, sent with the descriptors of the program's stdout and stderr, and
// then that many bytes: strings that end with NUL. They are the seconds after which the program is
// killed, its working folder, the number of arguments, the arguments (the first is the program's
// path), and the environment. The answer is a line with the id of its process, which by then is a
// child of the nearest ancestor that asked for orphans (PR_SET_CHILD_SUBREAPER): the test, not this
// process, waits for it.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "app/program.h"

namespace {

namespace fs = std::filesystem;

struct Request {
  int out = -1, err = -1;
  std::string text;  // of all strings
  unsigned seconds = 0;
  const char* folder = nullptr;
  std::vector<char*> arguments, environment;  // in `text`; each ends with a null pointer
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "program_server: " << what << '\n';
  std::_Exit(1);
}

/// The first byte of a request, with its descriptors. \return whether there is a request
bool receive_first(Request& request, char& first) {
  iovec place{&first, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const auto received = recvmsg(STDIN_FILENO, &message, 0);
  if (received == 0) return false;
  const cmsghdr* descriptors = CMSG_FIRSTHDR(&message);
  if (received < 0 || descriptors == nullptr || descriptors->cmsg_len != CMSG_LEN(2 * sizeof(int)))
    fail("no descriptors");
  std::memcpy(&request.out, CMSG_DATA(descriptors), sizeof(int));
  std::memcpy(&request.err, CMSG_DATA(descriptors) + sizeof(int), sizeof(int));
  return true;
}

void receive(char* bytes, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const auto received = recv(STDIN_FILENO, bytes + done, size - done, MSG_WAITALL);
    if (received <= 0) fail("cut request");
    done += static_cast<std::size_t>(received);
  }
}

/// \return whether there was a request
bool read_request(Request& request) {
  std::string size(1, '\0');
  if (!receive_first(request, size.front())) return false;
  while (size.back() != '\n') {
    size.push_back('\0');
    receive(&size.back(), 1);
  }
  request.text.resize(std::stoul(size));
  receive(request.text.data(), request.text.size());
  std::vector<char*> strings;
  for (std::size_t begin = 0; begin < request.text.size();) {
    strings.push_back(&request.text[begin]);
    begin = request.text.find('\0', begin) + 1;
  }
  if (strings.size() < 3) fail("short request");
  request.seconds = static_cast<unsigned>(std::stoul(strings[0]));
  request.folder = strings[1];
  const auto arguments = strings.begin() + 3;
  const auto environment = arguments + std::stol(strings[2]);
  request.arguments.assign(arguments, environment);
  request.environment.assign(environment, strings.end());
  request.arguments.push_back(nullptr);
  request.environment.push_back(nullptr);
  return true;
}

void move_descriptor(int from, int to) {
  if (from < 0 || dup2(from, to) < 0) fail("no descriptor");
  close(from);
}

/// The program's main function in a process of its own. \return its exit status
int run(Request& request) {
  move_descriptor(open("/dev/null", O_RDONLY), STDIN_FILENO);
  move_descriptor(request.out, STDOUT_FILENO);
  move_descriptor(request.err, STDERR_FILENO);
  if (chdir(request.folder) != 0) fail(std::string("cannot enter ") + request.folder);
  environ = request.environment.data();
  alarm(request.seconds);
  const auto program = fs::path(request.arguments.front()).filename();
  const auto& task =
      program == "top_tagging" ? lorentznet::top_tagging() : lorentznet::quark_gluon_tagging();
  return lorentznet::run_program(task, static_cast<int>(request.arguments.size()) - 1,
                                 request.arguments.data());
}

/// Starts the program from a process that ends at once, which makes the program an orphan.
/// \return the id of its process
pid_t start(Request& request) {
  int ids[2];
  if (pipe(ids) != 0) fail("no pipe");
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t program = fork();
    if (program != 0) {
      const bool told = write(ids[1], &program, sizeof program) == sizeof program;
      _exit(program > 0 && told ? 0 : 1);
    }
    close(ids[0]);
    close(ids[1]);
    const int exit_status = run(request);
    std::cout.flush();
    std::fflush(nullptr);
    _exit(exit_status);  // LibTorch's destructors take as long as loading it
  }
  int status = 0;
  pid_t program = 0;
  if (waitpid(parent, &status, 0) != parent || status != 0 ||
      read(ids[0], &program, sizeof program) != sizeof program)
    fail("cannot start a program");
  close(ids[0]);
  close(ids[1]);
  return program;
}

}  // namespace

int main() {
  for (Request request; read_request(request); request = {}) {
    // A fork has the calling thread alone.
    const auto threads =
        std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
    if (threads != 1) fail(std::to_string(threads) + " threads");
    const std::string answer = std::to_string(start(request)) + '\n';
    close(request.out);
    close(request.err);
    if (send(STDIN_FILENO, answer.data(), answer.size(), 0) < 0) fail("nobody waits");
  }
}
