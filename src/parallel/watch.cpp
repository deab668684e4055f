#include "parallel/watch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

namespace lorentznet {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kInterval{200};
/// Rank 0 answers after it has waited for the others, so they have to wait longer than it does.
constexpr milliseconds kMargin{3000};
/// For an answer to a rank that may be gone.
constexpr milliseconds kSendTimeout{1000};

at::Tensor to_message(const Ending& ending) {
  return at::tensor({static_cast<std::int64_t>(ending.kind), ending.rank, ending.status},
                    at::kLong);
}

Ending from_message(const at::Tensor& message) {
  const auto* const data = message.const_data_ptr<std::int64_t>();
  return {.kind = static_cast<Ending::Kind>(data[0]), .rank = data[1], .status = data[2]};
}

at::Tensor empty_message() { return at::empty({3}, at::kLong); }

/// What follows from the ranks' states in one round.
class Round {
 public:
  explicit Round(const Ending& own)
      : failed_(own), all_done_(own.kind == Ending::Kind::kFinished) {}

  void add(const Ending& state) {
    all_done_ = all_done_ && state.kind == Ending::Kind::kFinished;
    if (failed_.kind != Ending::Kind::kFailed) failed_ = state;
  }
  void add_lost(const Ending& lost) {
    if (lost_.kind == Ending::Kind::kNone) lost_ = lost;
  }
  /// A lost rank comes first: others fail because of it.
  Ending ending() const {
    if (lost_.kind != Ending::Kind::kNone) return lost_;
    if (failed_.kind == Ending::Kind::kFailed) return failed_;
    return {.kind = all_done_ ? Ending::Kind::kFinished : Ending::Kind::kNone};
  }

 private:
  Ending failed_, lost_;
  bool all_done_;
};

/// What is left of `patience` since `start`, rounded up, so that after this wait `patience` is
/// over.
milliseconds time_left(Clock::time_point start, milliseconds patience) {
  const auto left = std::chrono::ceil<milliseconds>(start + patience - Clock::now());
  return std::max(left, milliseconds(1));
}

/// A message in transfer; its tensor must live until then.
struct Post {
  std::vector<at::Tensor> message;
  c10::intrusive_ptr<c10d::Work> work;
};

}  // namespace

Watch::Watch(BackendPointer backend, const Place& place, milliseconds timeout, OnEnd on_end)
    : backend_(std::move(backend)),
      rank_(place.rank),
      size_(place.size),
      timeout_(timeout),
      on_end_(std::move(on_end)),
      state_{.rank = rank_},
      thread_([this] { watch(); }) {}

Watch::~Watch() {
  if (thread_.joinable()) finish();
}

Ending Watch::fail(std::int64_t status) {
  std::unique_lock lock(mutex_);
  state_ = {.kind = Ending::Kind::kFailed, .rank = rank_, .status = status};
  changed_.notify_all();
  changed_.wait(lock, [this] { return ending_.has_value(); });
  lock.unlock();
  thread_.join();
  return *ending_;
}

void Watch::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (state_.kind == Ending::Kind::kNone) state_.kind = Ending::Kind::kFinished;
    changed_.notify_all();
  }
  thread_.join();
}

void Watch::watch() {
  for (;;) {
    const auto ending = rank_ == 0 ? ask_all() : ask_rank_0();
    if (ending.kind == Ending::Kind::kNone) {
      std::unique_lock lock(mutex_);
      if (state_.kind == Ending::Kind::kNone) changed_.wait_for(lock, kInterval);
      continue;
    }
    conclude(ending);
    return;
  }
}

Ending Watch::state() {
  const std::lock_guard lock(mutex_);
  return state_;
}

/// Rank 0's round: receives the others' states and answers them.
Ending Watch::ask_all() {
  std::vector<Post> answers;
  for (std::int64_t rank = 1; rank < size_; ++rank) {
    auto& post = answers.emplace_back(Post{{empty_message()}, {}});
    try {
      post.work = backend_->recv(post.message, static_cast<int>(rank), 0);
    } catch (const std::exception&) {  // its connection is closed: found below
    }
  }
  auto round = Round(state());
  const auto start = Clock::now();
  for (std::int64_t rank = 1; rank < size_; ++rank) {
    auto& post = answers[static_cast<std::size_t>(rank - 1)];
    try {
      TORCH_CHECK(post.work != nullptr, "rank ", rank, " is gone");
      post.work->wait(time_left(start, timeout_));
      round.add(from_message(post.message[0]));
    } catch (const std::exception&) {
      const bool late = Clock::now() - start >= timeout_;
      round.add_lost({.kind = late ? Ending::Kind::kHangs : Ending::Kind::kGone, .rank = rank});
    }
  }
  const auto ending = round.ending();
  tell_all(ending);
  return ending;
}

void Watch::tell_all(const Ending& ending) {
  const bool is_lost = ending.kind == Ending::Kind::kGone || ending.kind == Ending::Kind::kHangs;
  std::vector<Post> answers;
  for (std::int64_t rank = 1; rank < size_; ++rank) {
    if (is_lost && ending.rank == rank) continue;
    auto& post = answers.emplace_back(Post{{to_message(ending)}, {}});
    try {
      post.work = backend_->send(post.message, static_cast<int>(rank), 0);
    } catch (const std::exception&) {  // the next round finds it gone
    }
  }
  for (auto& post : answers) {
    try {
      if (post.work != nullptr) post.work->wait(kSendTimeout);
    } catch (const std::exception&) {  // likewise
    }
  }
}

Ending Watch::ask_rank_0() {
  const auto start = Clock::now();
  const auto patience = timeout_ + kMargin;
  try {
    Post report{{to_message(state())}, {}};
    report.work = backend_->send(report.message, 0, 0);
    Post answer{{empty_message()}, {}};
    answer.work = backend_->recv(answer.message, 0, 0);
    // The answer first: if rank 0 is gone, Gloo ends a receive at once, but not always a send.
    answer.work->wait(time_left(start, patience));
    report.work->wait(time_left(start, patience));
    return from_message(answer.message[0]);
  } catch (const std::exception&) {
    const bool late = Clock::now() - start >= patience;
    return {.kind = late ? Ending::Kind::kHangs : Ending::Kind::kGone, .rank = 0};
  }
}

void Watch::conclude(const Ending& ending) {
  bool at_work = false;
  {
    const std::lock_guard lock(mutex_);
    at_work = state_.kind != Ending::Kind::kFailed;
    ending_ = ending;
    changed_.notify_all();
  }
  if (at_work && ending.kind != Ending::Kind::kFinished) on_end_(ending);
}

}  // namespace lorentznet
