#include "tools/fork_server.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace lorentznet::test {
namespace {

namespace fs = std::filesystem;

struct Request {
  unsigned seconds = 0;
  std::string out, err;
  std::vector<char*> arguments, environment;  // each ends with a null pointer
};

class Server {
 public:
  explicit Server(const char* name) : name_(name) {}

  void serve(const std::function<int(int argc, const char* const* argv)>& main) const {
    Request request;
    for (std::deque<std::string> strings; read_request(request, strings);
         strings = {}, request = {}) {
      // A fork has the calling thread alone.
      const auto threads =
          std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
      if (threads != 1) fail(std::to_string(threads) + " threads");
      const pid_t child = fork();
      if (child < 0) fail("cannot fork");
      if (child == 0) {
        prepare(request);
        const int exit_status =
            main(static_cast<int>(request.arguments.size()) - 1, request.arguments.data());
        std::cout.flush();
        std::fflush(nullptr);
        _exit(exit_status);  // LibTorch's destructors take as long as loading it
      }
      int status = 0;
      if (waitpid(child, &status, 0) != child) fail("cannot wait");
      std::cout << (WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status)) << std::endl;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    std::cerr << name_ << ": " << what << '\n';
    std::exit(1);
  }

  /// Reads a request, whose strings are then in `strings`. \return whether there was one
  bool read_request(Request& request, std::deque<std::string>& strings) const {
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    std::string bytes(std::stoul(line), '\0');
    if (!std::cin.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
      fail("cut request");
    }
    for (std::size_t begin = 0; begin < bytes.size();) {
      const auto end = bytes.find('\0', begin);
      strings.push_back(bytes.substr(begin, end - begin));
      begin = end + 1;
    }
    auto take = [&strings, next = std::size_t{0}]() mutable -> std::string& {
      return strings.at(next++);
    };
    request.seconds = static_cast<unsigned>(std::stoul(take()));
    request.out = take();
    request.err = take();
    const auto count = std::stoul(take());
    for (std::size_t k = 4; k < strings.size(); ++k) {
      auto& words = k < 4 + count ? request.arguments : request.environment;
      words.push_back(take().data());
    }
    request.arguments.push_back(nullptr);
    request.environment.push_back(nullptr);
    return true;
  }

  void redirect(int descriptor, const std::string& file, int flags) const {
    const int opened = open(file.c_str(), flags, 0600);
    if (opened < 0 || dup2(opened, descriptor) < 0) fail("cannot open " + file);
    close(opened);
  }

  void prepare(Request& request) const {
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, request.out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, request.err, O_WRONLY | O_CREAT | O_TRUNC);
    environ = request.environment.data();
    alarm(request.seconds);
  }

  std::string name_;
};

}  // namespace

void serve(const char* name, const std::function<int(int argc, const char* const* argv)>& main) {
  Server(name).serve(main);
}

}  // namespace lorentznet::test
