// Disturbs the system calls of programs, for scripts/crash_matrix.py.
//
//   failing_calls FOLDER PLAN LOG SERVER...
//
// Starts SERVER (tests/tools/fork_server.h), which forks a process for each run. The calls of a
// run, with its children and threads, that name a file in FOLDER or a descriptor of one are counted
// from 1. The file PLAN, read when a run begins, says "NUMBER ACTION", what happens to one of them:
//   kill-before, kill-after   SIGKILL to all processes of the run
//   ERRNO                     the call fails with this number
//   ERRNO+                    and so do the later ones that such a disk would let fail
//   short                     half of the bytes are written or read
// Number 0 disturbs nothing; "0 copy" copies a file that gets its name by call N to LOG.N. The file
// LOG has a line for each call: number, name, details, path, second path, result, separated by
// tabs. Exits with status 3 if the machine does not allow ptrace.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Registers = user_regs_struct;

constexpr int kNone = -1;

/// A system call and which of its arguments are paths, the folders that these are relative to, and
/// descriptors.
struct Kind {
  long number;
  const char* name;
  int path = kNone, folder = kNone, path2 = kNone, folder2 = kNone, file = kNone;
};

constexpr std::array kKinds{
    Kind{SYS_open, "open", 0},
    Kind{SYS_openat, "open", 1, 0},
    Kind{SYS_creat, "open", 0},
    Kind{SYS_truncate, "truncate", 0},
    Kind{SYS_rename, "rename", 0, kNone, 1},
    Kind{SYS_renameat, "rename", 1, 0, 3, 2},
    Kind{SYS_renameat2, "rename", 1, 0, 3, 2},
    Kind{SYS_link, "link", 0, kNone, 1},
    Kind{SYS_linkat, "link", 1, 0, 3, 2},
    Kind{SYS_symlink, "symlink", 1},
    Kind{SYS_symlinkat, "symlink", 2, 1},
    Kind{SYS_unlink, "unlink", 0},
    Kind{SYS_unlinkat, "unlink", 1, 0},
    Kind{SYS_rmdir, "unlink", 0},
    Kind{SYS_mkdir, "mkdir", 0},
    Kind{SYS_mkdirat, "mkdir", 1, 0},
    Kind{SYS_chmod, "chmod", 0},
    Kind{SYS_utimensat, "utime", 1, 0},
    Kind{SYS_stat, "stat", 0},
    Kind{SYS_lstat, "stat", 0},
    Kind{SYS_newfstatat, "stat", 1, 0},
    Kind{SYS_statx, "stat", 1, 0},
    Kind{SYS_access, "stat", 0},
    Kind{SYS_faccessat, "stat", 1, 0},
    Kind{SYS_faccessat2, "stat", 1, 0},
    Kind{SYS_write, "write", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_pwrite64, "write", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_writev, "writev", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_pwritev, "writev", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_copy_file_range, "copy", kNone, kNone, kNone, kNone, 2},
    Kind{SYS_sendfile, "copy", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_read, "read", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_pread64, "read", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_readv, "readv", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_getdents64, "list", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_fsync, "fsync", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_fdatasync, "fsync", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_ftruncate, "truncate", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_fallocate, "fallocate", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_fchmod, "chmod", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_flock, "flock", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_close, "close", kNone, kNone, kNone, kNone, 0},
    Kind{SYS_mmap, "mmap", kNone, kNone, kNone, kNone, 4},
};

constexpr int kNotAllowed = 3;  // exit status; tests/python/crash_points.py knows it

[[noreturn]] void fail(const std::string& what, int status = 1) {
  std::cerr << "failing_calls: " << what << ": " << std::generic_category().message(errno) << '\n';
  std::exit(status);
}

unsigned long long argument(const Registers& registers, int place) {
  const std::array all{registers.rdi, registers.rsi, registers.rdx,
                       registers.r10, registers.r8,  registers.r9};
  return all.at(static_cast<std::size_t>(place));
}

Registers registers_of(pid_t thread) {
  Registers registers{};
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &registers) != 0) errno = 0;  // it was killed
  return registers;
}

void set_registers(pid_t thread, const Registers& registers) {
  if (ptrace(PTRACE_SETREGS, thread, nullptr, &registers) != 0 && errno != ESRCH) {
    fail("cannot change a call");
  }
}

std::string text_at(pid_t thread, unsigned long long address) {
  const int memory =
      open(("/proc/" + std::to_string(thread) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  std::array<char, 4096> bytes{};
  const auto got = pread(memory, bytes.data(), bytes.size() - 1, static_cast<off_t>(address));
  close(memory);
  return got > 0 ? bytes.data() : "";
}

std::string link_of(pid_t thread, const std::string& name) {
  std::error_code none;
  return fs::read_symlink("/proc/" + std::to_string(thread) + "/" + name, none).string();
}

std::string path_of(pid_t thread, const Registers& registers, int path, int folder) {
  if (path == kNone) return "";
  const std::string name = text_at(thread, argument(registers, path));
  if (name.starts_with('/')) return fs::path(name).lexically_normal().string();
  const int base = folder == kNone ? AT_FDCWD : static_cast<int>(argument(registers, folder));
  const fs::path start = link_of(thread, base == AT_FDCWD ? "cwd" : "fd/" + std::to_string(base));
  return name.empty() ? start.string() : (start / name).lexically_normal().string();
}

/// "creates,writes" for open; the number of bytes for write.
std::string details_of(const Kind& kind, const Registers& registers) {
  const std::string name = kind.name;
  if (name == "write" || name == "read") return std::to_string(argument(registers, 2));
  if (name != "open") return "";
  const auto flags = kind.number == SYS_creat
                         ? O_CREAT | O_WRONLY | O_TRUNC
                         : static_cast<int>(argument(registers, kind.number == SYS_open ? 1 : 2));
  std::string words;
  if ((flags & O_CREAT) != 0) words += ",creates";
  if ((flags & O_ACCMODE) != O_RDONLY) words += ",writes";
  if ((flags & O_TRUNC) != 0) words += ",empties";
  return words.empty() ? "reads" : words.substr(1);
}

struct Call {
  const Kind* kind = nullptr;
  std::string details, path, path2;
  long number = 0;
  long result_instead = 0;  ///< 0: its own
  bool kills_after = false;
};

struct Plan {
  long number = 0;
  std::string action;

  bool kills() const { return action.starts_with("kill"); }
  bool stays() const { return action.ends_with('+'); }
  int error() const { return std::atoi(action.c_str()); }
};

class Tracer {
 public:
  Tracer(std::string folder, std::string plan, std::string log)
      : folder_(std::move(folder)), plan_file_(std::move(plan)), log_file_(std::move(log)) {}

  /// \return the exit status of the server
  int run(pid_t server) {
    server_ = server;
    started_.insert(server);
    for (;;) {
      int status = 0;
      const pid_t thread = waitpid(-1, &status, __WALL);
      if (thread < 0) fail("cannot wait");
      if (WIFSTOPPED(status)) {
        on_stop(thread, status);
        continue;
      }
      forget(thread);
      if (thread == server) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
  }

 private:
  void forget(pid_t thread) {
    started_.erase(thread);
    waiting_.erase(thread);
    of_run_.erase(thread);
    calls_.erase(thread);
  }

  static void go_on(pid_t thread, int signal = 0) { ptrace(PTRACE_CONT, thread, nullptr, signal); }

  void on_stop(pid_t thread, int status) {
    const int event = status >> 16;
    const int signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_SECCOMP) return on_call(thread);
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
      unsigned long child = 0;
      ptrace(PTRACE_GETEVENTMSG, thread, nullptr, &child);
      if (thread == server_) begin_run();
      of_run_.insert(static_cast<pid_t>(child));
      if (waiting_.erase(static_cast<pid_t>(child)) != 0) start(static_cast<pid_t>(child));
      return go_on(thread);
    }
    if (signal == (SIGTRAP | 0x80)) return on_end_of_call(thread);
    if (!started_.contains(thread)) {  // it may stop before its parent has told of it
      if (of_run_.contains(thread)) return start(thread);
      waiting_.insert(thread);
      return;
    }
    go_on(thread, event != 0 ? 0 : signal);
  }

  void start(pid_t thread) {
    started_.insert(thread);
    go_on(thread);
  }

  void begin_run() {
    count_ = 0;
    of_run_.clear();
    plan_ = {};
    std::ifstream(plan_file_) >> plan_.number >> plan_.action;
    log_ = std::ofstream(log_file_);
  }

  void kill_run() {
    for (const pid_t thread : of_run_) kill(thread, SIGKILL);
  }

  bool is_watched(const std::string& path) const {
    return path == folder_ || path.starts_with(folder_ + "/");
  }

  void on_call(pid_t thread) {
    if (!of_run_.contains(thread)) return go_on(thread);
    const auto registers = registers_of(thread);
    const auto* const kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) {
      return one.number == static_cast<long>(registers.orig_rax);
    });
    if (kind == kKinds.end()) return go_on(thread);
    Call call;
    call.kind = kind;
    if (kind->file != kNone) {
      const auto file = static_cast<int>(argument(registers, kind->file));
      if (file >= 0) call.path = link_of(thread, "fd/" + std::to_string(file));
    } else {
      call.path = path_of(thread, registers, kind->path, kind->folder);
      call.path2 = path_of(thread, registers, kind->path2, kind->folder2);
    }
    if (!is_watched(call.path) && !is_watched(call.path2)) return go_on(thread);
    call.details = details_of(*kind, registers);
    call.number = ++count_;
    disturb(thread, call, registers);
  }

  /// Whether the call fails on a disk that is full (ENOSPC) or broken (EIO).
  bool fails_on_disk(const Call& call) const {
    const std::string name = call.kind->name;
    if (plan_.error() != ENOSPC) return name != "close" && name != "flock" && name != "stat";
    return name == "write" || name == "writev" || name == "copy" || name == "mkdir" ||
           name == "rename" || name == "fsync" ||
           (name == "open" && call.details.starts_with("creates"));
  }

  void disturb(pid_t thread, Call& call, Registers registers) {
    const bool is_chosen =
        plan_.number != 0 && (call.number == plan_.number ||
                              (plan_.stays() && call.number > plan_.number && fails_on_disk(call)));
    if (is_chosen && plan_.action == "kill-before") {
      report(call, 0);
      return kill_run();
    }
    if (is_chosen && plan_.action == "short") {
      registers.rdx = std::max(registers.rdx / 2, 1ULL);
      set_registers(thread, registers);
    } else if (is_chosen && plan_.kills()) {
      call.kills_after = true;
    } else if (is_chosen) {
      call.result_instead = -plan_.error();
      if (std::string(call.kind->name) != "close") {  // which closes even if it fails
        registers.orig_rax = static_cast<unsigned long long>(-1);
        registers.rax = static_cast<unsigned long long>(call.result_instead);
        set_registers(thread, registers);
        report(call, call.result_instead);
        return go_on(thread);
      }
    }
    calls_[thread] = call;
    ptrace(PTRACE_SYSCALL, thread, nullptr, 0);
  }

  void on_end_of_call(pid_t thread) {
    const auto found = calls_.find(thread);
    if (found == calls_.end()) return go_on(thread);
    const Call call = found->second;
    calls_.erase(found);
    auto registers = registers_of(thread);
    if (call.result_instead != 0) {
      registers.rax = static_cast<unsigned long long>(call.result_instead);
      set_registers(thread, registers);
    }
    report(call, static_cast<long>(registers.rax));
    if (plan_.action == "copy" && std::string(call.kind->name) == "rename" && registers.rax == 0) {
      fs::copy_file(call.path2, log_file_ + "." + std::to_string(call.number));
    }
    if (call.kills_after) return kill_run();
    go_on(thread);
  }

  void report(const Call& call, long result) {
    log_ << call.number << '\t' << call.kind->name << '\t' << call.details << '\t' << call.path
         << '\t' << call.path2 << '\t' << result << std::endl;
  }

  std::string folder_, plan_file_, log_file_;
  pid_t server_ = 0;
  std::set<pid_t> started_, waiting_, of_run_;
  std::map<pid_t, Call> calls_;  ///< of threads that are inside of one
  Plan plan_;
  long count_ = 0;
  std::ofstream log_;
};

/// The kernel stops only for these calls: the others are as fast as ever.
void trace_calls() {
  constexpr auto kOffsetOfNumber = static_cast<unsigned>(offsetof(seccomp_data, nr));
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kOffsetOfNumber)};
  for (const auto& kind : kKinds) {
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(kind.number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) {
    fail("cannot filter system calls");
  }
}

pid_t start_traced(char** command) {
  const pid_t child = fork();
  if (child < 0) fail("cannot fork");
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
      fail("ptrace is not allowed here", kNotAllowed);
    raise(SIGSTOP);
    trace_calls();
    execv(command[0], command);
    fail(command[0]);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) fail("cannot wait");
  if (WIFEXITED(status)) std::exit(WEXITSTATUS(status));  // it has told why
  if (!WIFSTOPPED(status)) std::exit(1);
  constexpr auto kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
                            PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                            PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, child, nullptr, kOptions) != 0) {
    fail("ptrace is not allowed here", kNotAllowed);
  }
  ptrace(PTRACE_CONT, child, nullptr, 0);
  return child;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "failing_calls: expected FOLDER PLAN LOG SERVER...\n";
    return 1;
  }
  Tracer tracer(argv[1], argv[2], argv[3]);
  return tracer.run(start_traced(argv + 4));
}
