// Never slower than eager: a new entry is timed against the function it replaces, on real calls, before it is trusted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace braze {

/// Calls alternate between the two until each has three samples; the entry wins when its best is at most 3% above
/// eager's best. A close loser gets up to eight samples each, for the machine may have been busy.
///
/// Calls of many sizes are no samples of one time: there each call is run both ways, and the middle one of the ratios
/// decides.
class Trial {
 public:
  enum class Verdict : uint8_t { Undecided, Faster, Slower };

  Verdict verdict() const { return verdict_; }
  bool next_is_eager() const { return eager_samples_ < compiled_samples_; }
  /// The best sample; nothing before the first.
  std::optional<double> compiled_microseconds() const { return microseconds(best_compiled_, compiled_samples_); }
  std::optional<double> eager_microseconds() const { return microseconds(best_eager_, eager_samples_); }

  void skip() { verdict_ = Verdict::Faster; }
  void lose() { verdict_ = Verdict::Slower; }
  void add_compiled(int64_t ns) {
    best_compiled_ = std::min(best_compiled_, ns);
    ++compiled_samples_;
    decide();
  }
  void add_eager(int64_t ns) {
    best_eager_ = std::min(best_eager_, ns);
    ++eager_samples_;
    decide();
  }

  /// A call run both ways.
  void add_pair(int64_t compiled_ns, int64_t eager_ns) {
    best_compiled_ = std::min(best_compiled_, compiled_ns);
    best_eager_ = std::min(best_eager_, eager_ns);
    ratios_.push_back(static_cast<double>(compiled_ns) / static_cast<double>(std::max<int64_t>(eager_ns, 1)));
    eager_samples_ = ++compiled_samples_;
    if (compiled_samples_ < fewest_samples) return;
    auto middle = ratios_.begin() + static_cast<ptrdiff_t>(ratios_.size() / 2);
    std::nth_element(ratios_.begin(), middle, ratios_.end());
    if (*middle <= tolerance) {
      verdict_ = Verdict::Faster;
    } else if (compiled_samples_ >= most_samples) {
      verdict_ = Verdict::Slower;
    }
  }

 private:
  static constexpr int fewest_samples = 3, most_samples = 8;
  static constexpr double tolerance = 1.03;

  static std::optional<double> microseconds(int64_t ns, int samples) {
    return samples ? std::optional<double>(static_cast<double>(ns) / 1000) : std::nullopt;
  }

  void decide() {
    int samples = std::min(compiled_samples_, eager_samples_);
    if (samples < fewest_samples) return;
    if (static_cast<double>(best_compiled_) <= tolerance * static_cast<double>(best_eager_)) {
      verdict_ = Verdict::Faster;
    } else if (samples >= most_samples) {
      verdict_ = Verdict::Slower;
    }
  }

  Verdict verdict_ = Verdict::Undecided;
  int compiled_samples_ = 0, eager_samples_ = 0;
  std::vector<double> ratios_;
  int64_t best_compiled_ = std::numeric_limits<int64_t>::max(), best_eager_ = std::numeric_limits<int64_t>::max();
};

}  // namespace braze
