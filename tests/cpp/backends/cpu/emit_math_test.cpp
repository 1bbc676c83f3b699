// Own polynomials against double precision, over every exponent and the places where the code changes its mind.
#include <catch2/catch.hpp>
#include <cmath>

#include "compiled_kernel.h"

namespace braze {
namespace {

struct Function {
  const char* name;
  double (*exact)(double);
  double ulps;
};

const Function kFunctions[] = {
    {"exp", std::exp, 1.1},     {"exp2", std::exp2, 1.0}, {"expm1", std::expm1, 1.5}, {"log", std::log, 1.0},
    {"log1p", std::log1p, 1.5}, {"tanh", std::tanh, 2.0}, {"erf", std::erf, 1.5},
};

/// About a million numbers: all signs and exponents, with mantissas that no pattern repeats, and the neighbours of
/// round numbers.
std::vector<float> arguments() {
  std::vector<float> all;
  for (uint64_t i = 0; i < (uint64_t{1} << 32); i += 4099) {
    const uint32_t bits = static_cast<uint32_t>(i);
    float x;
    std::memcpy(&x, &bits, 4);
    all.push_back(x);
  }
  for (double centre :
       {0.0,  0.25, 0.3465736, 0.5,      0.625,    0.7071068, 1.0,   1.4142136, 2.0,   3.92,  4.0,   9.01,  10.0, 16.0,
        17.3, 40.0, 87.336,    88.02969, 88.72283, 89.0,      100.0, 103.9,     104.0, 126.0, 128.0, 149.0, 150.0})
    for (double sign : {1.0, -1.0}) {
      float x = static_cast<float>(sign * centre);
      for (int step = 0; step < 300; ++step) {
        all.push_back(x);
        x = std::nextafterf(x, INFINITY);
      }
      for (int step = 0; step < 20000; ++step) all.push_back(static_cast<float>(sign * (centre + step * 1e-4)));
    }
  return all;
}

double error_in_ulps(float got, double exact) {
  const float nearest = static_cast<float>(exact);
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : 1e30;
  if (std::isinf(nearest) || std::isinf(got)) {
    const double clamped = std::fabs(exact) > 0x1p128 ? std::copysign(0x1p128, exact) : exact;
    const double value = std::isinf(got) ? std::copysign(0x1p128, got) : got;
    return std::fabs(value - clamped) / 0x1p104;
  }
  const int exponent = exact == 0 ? -126 : std::max(std::ilogb(exact), -126);
  return std::fabs(got - exact) / std::ldexp(1.0, exponent - 23);
}

}  // namespace

TEST_CASE("own polynomials stay within 2 ulp of the truth") {
  std::vector<float> in = arguments();
  std::vector<float> out(in.size());
  for (const std::string& isa : runnable_isas())
    for (const Function& f : kFunctions) {
      const std::string text = "kernel parallel=[" + std::to_string(in.size()) +
                               "] reduce=[] vector=0\n  params: p0 f32, p1 f32 out\n"
                               "  %0: f32 = load p0 [1]+0\n  %1: f32 = " +
                               std::string(f.name) + " %0\n  store p1 [1]+0 %1\n";
      CompiledKernel compiled(parse_kernel(text), isa);
      void* params[] = {in.data(), out.data()};
      compiled(params, 0, static_cast<int64_t>(in.size()));
      double worst = 0;
      float where = 0, value = 0;
      for (size_t i = 0; i < in.size(); ++i) {
        const double error = error_in_ulps(out[i], f.exact(in[i]));
        if (error > worst) worst = error, where = in[i], value = out[i];
      }
      UNSCOPED_INFO(isa << " " << f.name << ": " << worst << " ulp at " << where << ", got " << value << ", exact "
                        << f.exact(where));
      CHECK(worst <= (isa == "baseline" ? 2.0 : f.ulps));
      CHECK(std::signbit(out[0]) == std::signbit(static_cast<float>(f.exact(in[0]))));
    }
}

TEST_CASE("signs of zero and the smallest numbers") {
  std::vector<float> in = {0.0f, -0.0f, 1e-45f, -1e-45f, 1e-40f, -1e-40f, 1e-30f, -1e-30f};
  std::vector<float> out(in.size());
  for (const std::string& isa : runnable_isas())
    for (const char* name : {"expm1", "log1p", "tanh"}) {
      CompiledKernel compiled(
          parse_kernel(
              "kernel parallel=[8] reduce=[] vector=0\n  params: p0 f32, p1 f32 out\n  %0: f32 = load p0 [1]+0\n"
              "  %1: f32 = " +
              std::string(name) + " %0\n  store p1 [1]+0 %1\n"),
          isa);
      void* params[] = {in.data(), out.data()};
      compiled(params, 0, 8);
      CHECK(std::memcmp(in.data(), out.data(), 32) == 0);
    }
}

}  // namespace braze
