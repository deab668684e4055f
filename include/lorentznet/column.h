#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace lorentznet {

/// Values laid end to end, in memory of their own or in memory that is shared: a part of another
/// column, or of a mapped file. Copies and parts share; edit() makes a copy first where it must, so
/// that no column changes behind another one's back.
template <typename T>
class Column {
 public:
  Column() = default;
  Column(std::initializer_list<T> values) : Column(std::vector<T>(values)) {}
  Column(std::vector<T> values)  // NOLINT(google-explicit-constructor): a vector is one
      : own_(std::make_shared<std::vector<T>>(std::move(values))), memory_(own_), view_(*own_) {}
  /// Values that lie elsewhere and stay as they are while `memory` lives.
  Column(std::span<const T> values, std::shared_ptr<const void> memory)
      : memory_(std::move(memory)), view_(values) {}
  // Copies are cheap, and what was moved from would keep a view of memory that is gone.
  Column(const Column&) = default;
  Column& operator=(const Column&) = default;
  ~Column() = default;

  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T* data() const { return view_.data(); }
  const T& operator[](std::size_t place) const { return view_[place]; }
  const T& front() const { return view_.front(); }
  const T& back() const { return view_.back(); }
  const T* begin() const { return view_.data(); }
  const T* end() const { return view_.data() + view_.size(); }

  /// `count` values from `first` on, which share this column's memory. Throws std::out_of_range.
  Column part(std::size_t first, std::size_t count) const {
    if (first > size() || count > size() - first) throw std::out_of_range("part of a column");
    return {view_.subspan(first, count), memory_};
  }

  void push_back(const T& value) {
    const T copy = value;  // it may lie in this column
    own().push_back(copy);
    view_ = *own_;
  }
  /// `values` must not lie in this column.
  void append(std::span<const T> values) {
    auto& vector = own();
    vector.insert(vector.end(), values.begin(), values.end());
    view_ = *own_;
  }
  void append(std::initializer_list<T> values) { append(std::span(values.begin(), values.size())); }
  void resize(std::size_t size, const T& value = T()) {
    own().resize(size, value);
    view_ = *own_;
  }
  /// The values to change in place; their number stays.
  std::span<T> edit() {
    own();
    view_ = *own_;
    return *own_;
  }

  friend bool operator==(const Column& a, const Column& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  /// Memory that belongs to this column alone.
  std::vector<T>& own() {
    const bool alone = own_ && own_.use_count() == 2 && memory_.get() == own_.get();
    if (!alone) {
      own_ = std::make_shared<std::vector<T>>(view_.begin(), view_.end());
      memory_ = own_;
    }
    return *own_;
  }

  std::shared_ptr<std::vector<T>> own_;  ///< where the values are a vector's, all of them
  std::shared_ptr<const void> memory_;   ///< what keeps the values
  std::span<const T> view_;
};

}  // namespace lorentznet
