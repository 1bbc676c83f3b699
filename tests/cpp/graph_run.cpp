#include "graph_run.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "graph/print.h"
#include "ops/evaluate.h"

namespace braze {

Buffer buffer_of(DType dtype, const std::vector<double>& numbers, int64_t length) {
  const int bytes = info(dtype).bytes;
  Buffer buffer(static_cast<size_t>(length) * bytes);
  for (int64_t i = 0; i < length && !numbers.empty(); ++i)
    store_element(buffer.data() + i * bytes,
                  convert(Scalar::of_double(DType::f64, numbers[i % numbers.size()]), dtype));
  return buffer;
}

std::vector<double> numbers_in(const Buffer& buffer, DType dtype) {
  std::vector<double> numbers;
  for (size_t at = 0; at + info(dtype).bytes <= buffer.size(); at += info(dtype).bytes)
    numbers.push_back(load_element(buffer.data() + at, dtype).as_double());
  return numbers;
}

std::vector<Buffer> seeded_inputs(const Graph& graph, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 2);
  const double special[] = {std::nan(""), INFINITY, -INFINITY, -0.0, 0.0, 1.0, 1e-42};
  std::vector<Buffer> buffers;
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    std::vector<double> numbers(value.length);
    for (double& x : numbers) {
      if (!is_floating(value.dtype))
        x = value.dtype == DType::b1 ? random() % 2 : random() % 3;
      else
        x = random() % 8 == 0 ? special[random() % 7] : normal(random);
    }
    buffers.push_back(buffer_of(value.dtype, numbers, value.length));
  }
  return buffers;
}

void check_same_results(const Graph& before, const Graph& after) {
  auto same = [](DType dtype, const Buffer& a, const Buffer& b) {
    REQUIRE(a.size() == b.size());
    std::vector<double> x = numbers_in(a, dtype), y = numbers_in(b, dtype);
    for (size_t i = 0; i < x.size(); ++i) {
      INFO("element " << i << ": " << x[i] << " and " << y[i]);
      CHECK(((std::isnan(x[i]) && std::isnan(y[i])) || (x[i] == y[i] && std::signbit(x[i]) == std::signbit(y[i]))));
    }
  };
  INFO("before\n" << print(before) << "after\n" << print(after));
  for (unsigned seed = 0; seed < 3; ++seed) {
    const std::vector<Buffer> inputs = seeded_inputs(before, seed);
    GraphRun x = interpret_graph(before, inputs), y = interpret_graph(after, inputs);
    REQUIRE(x.outputs.size() == y.outputs.size());
    REQUIRE(x.mutations.size() == y.mutations.size());
    for (size_t i = 0; i < x.outputs.size(); ++i)
      same(before.value(before.outputs[i]).dtype, x.outputs[i], y.outputs[i]);
    for (size_t i = 0; i < x.mutations.size(); ++i)
      same(before.value(before.mutations[i].value).dtype, x.mutations[i], y.mutations[i]);
  }
}

std::vector<double> run_text(const Graph& graph, const std::vector<std::vector<double>>& inputs) {
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    buffers.push_back(buffer_of(value.dtype, inputs.at(i), value.length));
  }
  return numbers_in(interpret_graph(graph, buffers).outputs.at(0), graph.value(graph.outputs.at(0)).dtype);
}

}  // namespace braze
