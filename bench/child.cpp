#include "bench/child.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <system_error>

#include "bench/runner.h"
#include "io/file.h"

namespace lorentznet::bench {
namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

std::string answer(const std::function<Json()>& measure) {
  try {
    return Json{{"result", measure()}}.dump();
  } catch (const std::exception& error) {
    return Json{{"error", first_line(error)}}.dump();
  }
}

/// Ends without destructors: what the parent shares is the parent's to clean up.
[[noreturn]] void run_child(const std::function<Json()>& measure, const FileDescriptor& out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a bench that is stopped leaves nothing running
  int status = 0;
  try {
    out.write_all(answer(measure), "pipe");
  } catch (const std::exception&) {
    status = 1;
  }
  _exit(status);
}

std::string read_all(const FileDescriptor& in) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto count = read(in.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

Json in_child(const std::function<Json()>& measure) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) fail("pipe");
  const FileDescriptor in(ends[0]);
  FileDescriptor out(ends[1]);
  std::fflush(nullptr);  // or the child would hold a copy of what is not yet written
  const auto child = fork();
  if (child < 0) fail("fork");
  if (child == 0) run_child(measure, out);
  out = FileDescriptor();
  const auto text = read_all(in);
  int status = 0;
  if (waitpid(child, &status, 0) < 0) fail("waitpid");
  if (WIFSIGNALED(status)) {
    throw std::runtime_error("ended by signal " + std::to_string(WTERMSIG(status)));
  }
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw std::runtime_error("ended without an answer");
  if (json.contains("error")) throw std::runtime_error(json.at("error").get<std::string>());
  return json.at("result");
}

}  // namespace lorentznet::bench
