#include "backends/reference/interpret_graph.h"

#include <algorithm>
#include <cstring>

#include "backends/reference/attend.h"
#include "backends/reference/recur.h"
#include "backends/reference/reduce.h"
#include "graph/print.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace braze {
namespace {

using Position = std::vector<int64_t>;

int64_t address(const Geometry& g, const Position& at) {
  int64_t result = g.offset;
  for (size_t i = 0; i < at.size(); ++i) result += at[i] * g.strides[i];
  return result;
}

/// Calls `visit` at every position of `sizes` in row-major order.
template <typename Visit>
void for_each_position(const std::vector<int64_t>& sizes, Visit visit) {
  for (int64_t size : sizes)
    if (size == 0) return;
  Position at(sizes.size(), 0);
  while (true) {
    visit(at);
    size_t i = sizes.size();
    while (i > 0 && ++at[i - 1] == sizes[i - 1]) at[--i] = 0;
    if (i == 0) return;
  }
}

class Interpreter {
 public:
  Interpreter(const Graph& graph, const std::vector<Buffer>& inputs, const ExternFunction& run_extern)
      : graph_(graph), run_extern_(run_extern), buffers_(graph.values.size()) {
    check_user(inputs.size() == graph.inputs.size(), "interpret_graph: one buffer is needed for each input");
    for (size_t i = 0; i < inputs.size(); ++i) {
      check_user(inputs[i].size() >= bytes(graph.inputs[i]), "interpret_graph: an input's buffer is too short");
      buffers_[graph.inputs[i]] = inputs[i];
    }
  }

  GraphRun run() {
    for (const Node& node : graph_.nodes) {
      for (ValueId id : node.results) buffers_[id].assign(bytes(id), std::byte{0});
      step(node);
    }
    GraphRun result;
    for (ValueId id : graph_.outputs) result.outputs.push_back(buffers_[id]);
    for (const Mutation& m : graph_.mutations) result.mutations.push_back(buffers_[m.value]);
    return result;
  }

 private:
  size_t bytes(ValueId id) const {
    return static_cast<size_t>(graph_.value(id).length) * info(graph_.value(id).dtype).bytes;
  }

  Scalar load(ValueId id, int64_t element) const {
    const DType dtype = graph_.value(id).dtype;
    return load_element(buffers_[id].data() + element * info(dtype).bytes, dtype);
  }

  Scalar load(const Operand& operand, const Position& at) const {
    if (auto* scalar = std::get_if<Scalar>(&operand)) return *scalar;
    const Access& access = std::get<Access>(operand);
    return load(access.value, address(access.geometry, at));
  }

  void store(ValueId id, int64_t element, const Scalar& value) {
    store_element(buffers_[id].data() + element * info(value.dtype).bytes, value);
  }

  void step(const Node& node) {
    switch (info(node.op).cls) {
      case OpClass::Elementwise: return elementwise(node);
      case OpClass::Index: return index(node);
      case OpClass::Gather: return gather(node);
      case OpClass::Reduce: return reduce(node);
      case OpClass::Memory: return node.op == Op::update_ ? update(node) : void();
      case OpClass::Extern: return call(node);
    }
  }

  void elementwise(const Node& node) {
    const Value& result = graph_.value(node.results[0]);
    std::vector<Scalar> in(node.operands.size());
    for_each_position(result.shape.sizes, [&](const Position& at) {
      for (size_t i = 0; i < in.size(); ++i) in[i] = load(node.operands[i], at);
      store(node.results[0], address(result.shape, at), evaluate(node.op, result.dtype, in));
    });
  }

  void index(const Node& node) {
    const Geometry& shape = graph_.value(node.results[0]).shape;
    for_each_position(shape.sizes, [&](const Position& at) {
      store(node.results[0], address(shape, at), Scalar::of_int(DType::i64, at[node.dim]));
    });
  }

  void gather(const Node& node) {
    const Geometry& shape = graph_.value(node.results[0]).shape;
    const Access& table = std::get<Access>(node.operands[0]);
    for_each_position(shape.sizes, [&](const Position& at) {
      int64_t element = address(table.geometry, at);
      for (size_t i = 0; i < node.indexed.size(); ++i) {
        int64_t position = load(node.operands[i + 1], at).as_int();
        const int64_t size = node.indexed[i].size;
        check_user(position >= -size && position < size,
                   "index " + std::to_string(position) + " is out of range for size " + std::to_string(size));
        element += (position < 0 ? position + size : position) * node.indexed[i].stride;
      }
      store(node.results[0], address(shape, at), load(table.value, element));
    });
  }

  void reduce(const Node& node) {
    if (is_recurrence(node.op)) return recurrent(node);
    const Value& result = graph_.value(node.results[0]);
    const Access& operand = std::get<Access>(node.operands[0]);
    std::vector<int64_t> reduced(operand.geometry.sizes.size(), 1);
    for (int d : node.reduce_dims) reduced[d] = operand.geometry.sizes[d];
    for_each_position(result.shape.sizes, [&](const Position& at) {
      if (is_attention(node.op)) return store(node.results[0], address(result.shape, at), attended(node, at));
      Reduction reduction(node.op, node.op == Op::dot_ ? result.dtype : graph_.value(operand.value).dtype);
      for_each_position(reduced, [&](const Position& inner) {
        Position whole = at;
        for (size_t i = 0; i < whole.size(); ++i) whole[i] += inner[i];
        if (node.op == Op::dot_)
          reduction.add(load(node.operands[0], whole), load(node.operands[1], whole));
        else
          reduction.add(load(node.operands[0], whole));
      });
      store(node.results[0], address(result.shape, at), reduction.result());
    });
  }

  Scalar attended(const Node& node, const Position& at) const {
    const auto& domain = std::get<Access>(node.operands[0]).geometry.sizes;
    const size_t keys = domain.size() - 2;
    Position whole = at;
    return attend({.keys = domain[keys],
                   .depth = domain[keys + 1],
                   .visible = node.op == Op::attend_causal_ ? at[keys - 2] + 1 : domain[keys],
                   .element = [&](int operand, int64_t key, int64_t place) {
                     whole[keys] = key, whole[keys + 1] = place;
                     return load(node.operands[operand], whole).as_double();
                   }});
  }

  void recurrent(const Node& node) {
    const Geometry& shape = graph_.value(node.results[0]).shape;
    const int64_t steps = shape.sizes[2], units = shape.sizes[4];
    std::vector<double> states;
    for_each_position(shape.sizes, [&](const Position& at) {
      const bool first = std::all_of(at.begin() + 1, at.end(), [](int64_t i) { return i == 0; });
      if (first)
        states = recur({.op = node.op,
                        .steps = steps,
                        .units = shape.sizes[3] * units,
                        .element = [&](int operand, int64_t step, int64_t unit, int64_t gate, int64_t place) {
                          const Position whole = {at[0], 0, step, unit / units, unit % units, gate, place};
                          return load(node.operands[operand], whole).as_double();
                        }});
      const int64_t unit = at[3] * units + at[4];
      const double state = states[(at[1] * steps + at[2]) * shape.sizes[3] * units + unit];
      store(node.results[0], address(shape, at), convert(Scalar::of_double(DType::f64, state), DType::f32));
    });
  }

  void update(const Node& node) {
    buffers_[node.results[0]] = buffers_[std::get<Access>(node.operands[0]).value];
    const Access* written = std::get_if<Access>(&node.operands[1]);
    const int width = info(graph_.value(node.results[0]).dtype).bytes;
    for_each_position(node.region.sizes, [&](const Position& at) {
      const int64_t to = address(node.region, at);
      if (!written) return store(node.results[0], to, load(node.operands[1], at));
      // Bytes, since elements of a dtype that only library operators compute with move too.
      std::memcpy(buffers_[node.results[0]].data() + to * width,
                  buffers_[written->value].data() + address(written->geometry, at) * width, width);
    });
  }

  void call(const Node& node) {
    if (!run_extern_) throw Error(Error::Kind::Internal, "interpret_graph cannot run " + print(graph_, node));
    for (auto [operand, result] : node.call.mutates)
      buffers_[node.results[result]] = buffers_[std::get<Access>(node.operands[operand]).value];
    run_extern_(graph_, node, buffers_);
  }

  const Graph& graph_;
  const ExternFunction& run_extern_;
  std::vector<Buffer> buffers_;
};

}  // namespace

GraphRun interpret_graph(const Graph& graph, const std::vector<Buffer>& inputs, const ExternFunction& run_extern) {
  return Interpreter(graph, inputs, run_extern).run();
}

}  // namespace braze
