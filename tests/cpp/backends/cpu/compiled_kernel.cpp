// Compares compiled kernels with the interpreter, element by element.
#include "compiled_kernel.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "backends/reference/interpret_kernel.h"
#include "ops/evaluate.h"
#include "schedule/random_sizes.h"
#include "schedule/size_params.h"

namespace braze {
namespace {

std::string taken(char* error) {
  std::string message = error ? error : "";
  braze_llvm_free_bytes(error);
  return message;
}

double spacing(DType dtype, double x) {
  const double magnitude = std::fabs(x);
  const int digits = dtype == DType::f64 ? 53 : dtype == DType::f32 ? 24 : dtype == DType::f16 ? 11 : 8;
  const int lowest = dtype == DType::f64 ? -1074 : dtype == DType::f16 ? -24 : dtype == DType::f32 ? -149 : -133;
  if (magnitude == 0 || std::isinf(x)) return std::ldexp(1.0, lowest);
  return std::ldexp(1.0, std::max(std::ilogb(magnitude) - digits + 1, lowest));
}

bool agree(const Scalar& got, const Scalar& expected, double ulps, double slack) {
  if (!is_floating(got.dtype)) return got.as_int() == expected.as_int();
  const double a = got.as_double(), b = expected.as_double();
  if (std::isnan(b)) return std::isnan(a);
  if (a == b) return true;
  return std::fabs(a - b) <= ulps * spacing(got.dtype, b) + slack;
}

Scalar random_element(DType dtype, std::mt19937& random) {
  if (is_floating(dtype)) {
    static const double special[] = {0.0, -0.0, 1.0, -1.0, 0.5, INFINITY, -INFINITY, NAN, 1e-40, 3e38};
    std::uniform_int_distribution<int> kind(0, 199);
    const int pick = kind(random);
    if (pick < 5) return convert(Scalar::of_double(DType::f64, special[pick]), dtype);
    return convert(Scalar::of_double(DType::f64, std::normal_distribution<double>(0, 2)(random)), dtype);
  }
  if (dtype == DType::b1) return Scalar::of_int(dtype, random() & 1);
  std::uniform_int_distribution<int64_t> small(-9, 9), any(std::numeric_limits<int64_t>::min());
  return convert(Scalar::of_int(DType::i64, random() % 4 ? small(random) : any(random)), dtype);
}

void bind_all() {
  static const bool once = [] {
    bind_scalar_math();
    return true;
  }();
  (void)once;
}

void compare(Memory& got, Memory& expected, const std::string& what, double ulps, double slack) {
  const Kernel& kernel = got.kernel();
  for (size_t p = 0; p < kernel.params.size(); ++p) {
    const DType dtype = kernel.params[p].dtype;
    for (int64_t i = 0; i < got.length(static_cast<int>(p)); ++i) {
      const Scalar a = load_element(got.as<char>(static_cast<int>(p)) + i * info(dtype).bytes, dtype);
      const Scalar b = load_element(expected.as<char>(static_cast<int>(p)) + i * info(dtype).bytes, dtype);
      if (agree(a, b, ulps, slack)) continue;
      INFO(what << "\n"
                << print(kernel) << "param " << p << " element " << i << ": got " << a.as_double() << ", expected "
                << b.as_double() << " (integers " << a.as_int() << ", " << b.as_int() << ")");
      REQUIRE(false);
    }
  }
  if (!got.guards_intact()) {
    INFO(what << "\n" << print(kernel));
    FAIL("memory outside a param was written");
  }
}

/// A kernel with size parameters must do, bit for bit, what the static one has left in `expected`.
void check_parametric(const Kernel& kernel, const std::string& isa, const Memory& initial, Memory& expected,
                      int64_t status, std::mt19937& random) {
  SizedKernel sized = with_random_sizes(kernel, random, random() % 2 == 0 ? 1.0 : 0.4);
  if (!sized.kernel.is_parametric()) return;
  INFO("isa \"" << isa << "\"\n" << print(sized.kernel));
  REQUIRE(parse_kernel(print(sized.kernel)) == sized.kernel);
  REQUIRE(allows(sized.kernel, sized.sizes));
  CompiledKernel compiled(sized.kernel, isa);
  const int64_t points = kernel.parallel_points();
  REQUIRE(sized.kernel.parallel_points(sized.sizes) == points);
  for (int64_t pieces : {1, 3}) {
    if (pieces > points) break;
    Memory memory = initial;
    const std::vector<void*> params = sized.with_sizes_behind(memory.pointers());
    int64_t result = 0;
    for (int64_t k = 0; k < pieces; ++k)
      result |= compiled(params.data(), points * k / pieces, points * (k + 1) / pieces);
    REQUIRE((result != 0) == (status != 0));
    if (status == 0) compare(memory, expected, "isa \"" + isa + "\", parametric\n" + print(sized.kernel), 0, 0);
  }
}

}  // namespace

const std::vector<std::string>& runnable_isas() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const char* name : {"", "avx512", "avx2", "baseline"})
      if (braze_llvm_target(name)) all.push_back(name);
    return all;
  }();
  return names;
}

CompiledKernel::CompiledKernel(const Kernel& kernel, const std::string& isa, bool fast_math) {
  bind_all();
  const std::string text = print(kernel);
  const char *texts[] = {text.c_str()}, *names[] = {"kernel"};
  braze_llvm_bytes object{}, dump{};
  char* error = nullptr;
  if (braze_llvm_compile(texts, names, 1, isa.c_str(), fast_math, &object, &dump, &error))
    throw std::runtime_error(taken(error));
  dump_.assign(dump.data, dump.size);
  braze_llvm_free_bytes(dump.data);
  module_ = braze_llvm_load(object.data, object.size, &error);
  braze_llvm_free_bytes(object.data);
  if (!module_) throw std::runtime_error(taken(error));
  function_ = braze_llvm_find(module_, "kernel");
}

CompiledKernel::~CompiledKernel() {
  if (module_) braze_llvm_unload(module_);
}

Memory::Memory(const Kernel& kernel) : kernel_(kernel), lengths_(kernel.params.size(), 0) {
  for (const Instr& in : kernel.body) {
    if (in.param < 0) continue;
    int64_t length = in.offset + 1;
    for (size_t a = 0; a < in.strides.size(); ++a) length += in.strides[a] * (kernel.axes[a] - 1);
    for (const IndexedDim& dim : in.indexed) length += dim.stride * std::max<int64_t>(dim.size - 1, 0);
    lengths_[in.param] = std::max(lengths_[in.param], length);
  }
  for (size_t p = 0; p < lengths_.size(); ++p)
    buffers_.emplace_back(2 * kGuard + static_cast<size_t>(lengths_[p] * info(kernel.params[p].dtype).bytes), '\x5a');
}

void Memory::fill(std::mt19937& random) {
  for (size_t p = 0; p < buffers_.size(); ++p)
    for (int64_t i = 0; i < lengths_[p]; ++i) {
      const DType dtype = kernel_.params[p].dtype;
      store_element(as<char>(static_cast<int>(p)) + i * info(dtype).bytes, random_element(dtype, random));
    }
}

std::vector<void*> Memory::pointers() {
  std::vector<void*> all;
  for (auto& buffer : buffers_) all.push_back(buffer.data() + kGuard);
  return all;
}

bool Memory::guards_intact() const {
  for (const auto& buffer : buffers_)
    for (size_t i = 0; i < kGuard; ++i)
      if (buffer[i] != '\x5a' || buffer[buffer.size() - 1 - i] != '\x5a') return false;
  return true;
}

void check_against_interpreter(const Kernel& kernel, double ulps, double slack, uint32_t seed) {
  std::mt19937 random(seed);
  Memory initial(kernel);
  initial.fill(random);
  Memory expected = initial;
  const int64_t points = kernel.parallel_points();
  const int64_t status = interpret_kernel(kernel, expected.pointers().data(), 0, points);
  const std::string& sized_isa = runnable_isas()[random() % runnable_isas().size()];
  for (const std::string& isa : runnable_isas()) {
    CompiledKernel compiled(kernel, isa);
    Memory whole = initial;
    const int64_t result = compiled(whole.pointers().data(), 0, points);
    INFO("isa \"" << isa << "\"\n" << print(kernel));
    REQUIRE((result != 0) == (status != 0));
    if (&isa == &sized_isa) check_parametric(kernel, isa, initial, whole, status, random);
    if (status != 0) continue;
    compare(whole, expected, "isa \"" + isa + "\", whole", ulps, slack);
    for (int64_t pieces : {2, 3, 7}) {
      if (pieces > points) break;
      Memory split = initial;
      for (int64_t k = 0; k < pieces; ++k)
        compiled(split.pointers().data(), points * k / pieces, points * (k + 1) / pieces);
      compare(split, whole, "isa \"" + isa + "\", in pieces against whole", 0, 0);
    }
  }
}

void check_against_interpreter(const std::string& text, double ulps, double slack, uint32_t seed) {
  check_against_interpreter(parse_kernel(text), ulps, slack, seed);
}

}  // namespace braze
