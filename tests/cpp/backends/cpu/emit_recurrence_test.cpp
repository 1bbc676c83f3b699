// Recurrent layers in panels and tiles: sizes that fill none, weights packed and as they are, both directions.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>

#include "backends/reference/interpret_kernel.h"
#include "compiled_kernel.h"
#include "schedule/recurrence_form.h"

namespace braze {
namespace {

struct Sizes {
  int64_t rows, steps, units;
};

/// Axes of one place are left out, as the scheduler does.
class Text {
 public:
  Text(const Sizes& s, const std::string& op, bool packed) : op_(op) {
    const int64_t states = op.starts_with("lstm") ? 2 : 1, gates = states == 2 ? 4 : 3, h = s.units;
    const int64_t units = packed ? kUnitsOfPanel : h;
    sizes_ = {s.rows, states, s.steps, h / units, units, gates, h};
    const int64_t given = gates * h;
    load({given, 0, s.rows * given, units, 1, h, 0});
    if (packed)
      load({0, 0, 0, units * gates * h, 1, units, units * gates});
    else
      load({0, 0, 0, units * h, h, h * h, 1});
    load({h, 0, 0, 0, 0, 0, 1});
    load({states == 2 ? h : 0, 0, 0, units, 1, 0, 0});
    store_ = strides({h, s.steps * s.rows * h, s.rows * h, units, 1, 0, 0});
  }

  Kernel kernel() const {
    std::string axes[2];
    for (size_t d = 0; d < sizes_.size(); ++d)
      if (sizes_[d] > 1) axes[d > 4] += (axes[d > 4].empty() ? "" : ",") + std::to_string(sizes_[d]);
    const auto count = std::count_if(sizes_.begin(), sizes_.end(), [](int64_t size) { return size > 1; });
    return parse_kernel("kernel parallel=[" + axes[0] + "] reduce=[" + axes[1] + "] vector=" +
                        std::to_string(count - 1) + "\n  params: p0 f32, p1 f32, p2 f32, p3 f32, p4 f32 out\n" +
                        loads_ + "  %4: f32 row = " + op_ + " %0, %1, %2, %3\n  store row p4 " + store_ + " %4\n");
  }

 private:
  std::string strides(const std::array<int64_t, 7>& all) const {
    std::string text;
    for (size_t d = 0; d < all.size(); ++d)
      if (sizes_[d] > 1) text += (text.empty() ? "" : ",") + std::to_string(all[d]);
    return "[" + text + "]+0";
  }

  void load(const std::array<int64_t, 7>& all) {
    const std::string number = std::to_string(loads_count_++);
    loads_ += "  %" + number + ": f32 = load p" + number + " " + strides(all) + "\n";
  }

  std::string op_, loads_, store_;
  std::array<int64_t, 7> sizes_ = {};
  int loads_count_ = 0;
};

void check(const Kernel& kernel, const Sizes& sizes) {
  INFO(print(kernel));
  verify(kernel);
  const auto form = recurrence_form(kernel);
  REQUIRE(form);
  REQUIRE(form->rows == sizes.rows);
  REQUIRE(form->steps == sizes.steps);
  REQUIRE(form->depth == sizes.units);
  Memory initial(kernel);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> number(-1, 1);
  for (int p = 0; p < 5; ++p)
    for (int64_t i = 0; i < initial.length(p); ++i) initial.as<float>(p)[i] = number(random);
  Memory expected = initial;
  const int64_t points = kernel.parallel_points(), unit = form->unit();
  interpret_kernel(kernel, expected.pointers().data(), 0, points);
  for (const std::string& isa : runnable_isas()) {
    INFO("isa \"" << isa << "\"");
    const CompiledKernel compiled(kernel, isa);
    Memory whole = initial, split = initial;
    compiled(whole.pointers().data(), 0, points);
    for (int64_t begin = 0; begin < points; begin += unit)
      compiled(split.pointers().data(), begin, std::min(begin + unit, points));
    for (int64_t i = 0; i < expected.length(4); ++i) {
      REQUIRE(std::fabs(whole.as<float>(4)[i] - expected.as<float>(4)[i]) <= 1e-5);
      REQUIRE(whole.as<float>(4)[i] == split.as<float>(4)[i]);
    }
    REQUIRE(whole.guards_intact());
  }
}

}  // namespace

TEST_CASE("recurrent layers of all sizes in both directions") {
  for (const char* op : {"lstm", "lstm_back", "gru", "gru_back"}) {
    for (const Sizes& sizes :
         {Sizes{1, 1, 2}, Sizes{2, 3, 5}, Sizes{7, 2, 16}, Sizes{13, 2, 21}, Sizes{1, 5, 40}, Sizes{3, 1, 33}})
      check(Text(sizes, op, false).kernel(), sizes);
    for (const Sizes& sizes : {Sizes{1, 3, 16}, Sizes{4, 2, 32}, Sizes{8, 2, 48}})
      check(Text(sizes, op, true).kernel(), sizes);
  }
}

TEST_CASE("a recurrent layer of another form is no kernel") {
  const std::string text = print(Text({4, 3, 5}, "lstm", false).kernel());
  REQUIRE_NOTHROW(verify(parse_kernel(text)));
  auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    REQUIRE(changed.find(from) != std::string::npos);
    return parse_kernel(changed.replace(changed.find(from), from.size(), to));
  };
  REQUIRE_THROWS(verify(with("p4 [5,", "p4 [6,")));                   // states are apart otherwise than first ones
  REQUIRE_THROWS(verify(with("reduce=[4,5]", "reduce=[4,6]")));       // more states than units
  REQUIRE_THROWS(verify(with("f32 row = lstm ", "f32 row = gru ")));  // as many gates and states as an LSTM has
  REQUIRE_THROWS(verify(with("store row p4", "%5: f32 row = neg %4\n  store row p4")));  // something made of the states
}

}  // namespace braze
