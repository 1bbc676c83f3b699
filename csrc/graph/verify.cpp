#include "graph/verify.h"

#include <algorithm>
#include <string>

#include "graph/print.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr size_t kLongestText = 64 * 1024;

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), defined_(graph.values.size(), false) {}

  void run() {
    for (ValueId id : graph_.inputs) input(id);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      node_ = &graph_.nodes[i];
      node(static_cast<NodeId>(i));
    }
    node_ = nullptr;
    for (ValueId id : graph_.outputs) law(is_defined(id), "an output is an input or a result");
    mutations();
  }

 private:
  void law(bool holds, const char* text) const {
    if (holds) return;
    std::string message = std::string("broken graph: it must hold that ") + text;
    if (node_) message += "\nin  " + print(graph_, *node_);
    std::string whole = print(graph_);
    if (whole.size() > kLongestText) whole.resize(kLongestText);
    throw Error(Error::Kind::Internal, message + "\n" + whole);
  }

  bool in_range(ValueId id) const { return id >= 0 && id < static_cast<ValueId>(graph_.values.size()); }
  bool is_defined(ValueId id) const { return in_range(id) && defined_[id]; }

  void define(ValueId id, NodeId producer) {
    law(in_range(id), "a result is a value of the graph");
    law(!defined_[id], "a value has one producer");
    const Value& value = graph_.value(id);
    law(value.producer == producer, "a value knows its producer");
    geometry(value.shape, value.length);
    law(value.shape.offset == 0, "a value's shape starts at offset 0");
    defined_[id] = true;
  }

  void input(ValueId id) {
    define(id, -1);
    const Value& value = graph_.value(id);
    law(value.shape.sizes.size() == 1 && value.shape.sizes[0] == value.length, "an input is flat");
  }

  void geometry(const Geometry& g, int64_t length) const {
    law(g.sizes.size() == g.strides.size(), "a geometry has a stride for each size");
    law(length >= 0, "a length is not negative");
    bool empty = false;
    for (size_t i = 0; i < g.sizes.size(); ++i) {
      law(g.sizes[i] >= 0 && g.strides[i] >= 0, "sizes and strides are not negative");
      empty |= g.sizes[i] == 0;
    }
    law(g.offset >= 0, "an offset is not negative");
    if (empty) return;
    __int128 last = g.offset;
    for (size_t i = 0; i < g.sizes.size(); ++i) last += static_cast<__int128>(g.sizes[i] - 1) * g.strides[i];
    law(last < length, "an access stays inside its buffer");
  }

  void operand(const Operand& operand) const {
    if (auto* access = std::get_if<Access>(&operand)) {
      law(is_defined(access->value), "an operand is an input or an earlier result");
      geometry(access->geometry, graph_.value(access->value).length);
    }
  }

  const Value& result() const { return graph_.value(node_->results[0]); }

  void sizes_match(const Operand& operand, const char* text) const {
    if (auto* access = std::get_if<Access>(&operand)) law(access->geometry.sizes == result().shape.sizes, text);
  }

  DType operand_dtype(size_t i) const { return dtype_of(graph_, node_->operands[i]); }

  void node(NodeId id) {
    for (const Operand& o : node_->operands) operand(o);
    for (ValueId result : node_->results) define(result, id);
    const OpInfo& row = info(node_->op);
    law(row.arity < 0 || static_cast<int>(node_->operands.size()) == row.arity,
        "a node has as many operands as its op takes");
    if (row.cls == OpClass::Extern) return extern_call();
    law(node_->results.size() == 1, "a primitive has one result");
    law(result().shape.is_dense() || node_->op == Op::empty_ || node_->op == Op::update_,
        "a primitive's result is dense");
    law(info(result().dtype).kind != DTypeKind::Stored || row.cls == OpClass::Memory,
        "no primitive computes at a stored-only dtype");
    switch (row.cls) {
      case OpClass::Elementwise: return elementwise(row);
      case OpClass::Index: return index();
      case OpClass::Gather: return gather();
      case OpClass::Reduce: return reduce();
      case OpClass::Memory: return node_->op == Op::update_ ? update() : void();
      case OpClass::Extern: return;
    }
  }

  void elementwise(const OpInfo& row) const {
    for (const Operand& o : node_->operands)
      sizes_match(o, "an elementwise node's operands and result have the same sizes");
    if (node_->op == Op::cast_) return;
    DType at = result().dtype;
    if (row.has(Compares)) {
      law(at == DType::b1, "a comparison gives b1");
      at = operand_dtype(0);
    }
    for (size_t i = 0; i < node_->operands.size(); ++i)
      law(operand_dtype(i) == (node_->op == Op::where_ && i == 0 ? DType::b1 : at),
          "an elementwise node computes at one dtype");
    law(info(at).kind != DTypeKind::Half, "half types are only loaded, stored and cast");
  }

  void index() const {
    law(node_->dim >= 0 && node_->dim < static_cast<int>(result().shape.sizes.size()),
        "index names a dim of its result");
    law(result().dtype == DType::i64, "index gives i64");
  }

  void gather() const {
    law(!node_->operands.empty() && node_->indexed.size() + 1 == node_->operands.size(),
        "a gather has an IndexedDim for each index operand");
    for (const Operand& o : node_->operands) sizes_match(o, "a gather's operands and result have the same sizes");
    auto* table = std::get_if<Access>(&node_->operands[0]);
    law(table != nullptr, "a gather reads memory");
    law(operand_dtype(0) == result().dtype, "a gather keeps its table's dtype");
    const Geometry& g = table->geometry;
    if (g.numel() == 0) return;
    __int128 last = g.extent() - 1;
    for (size_t i = 0; i < node_->indexed.size(); ++i) {
      DType type = operand_dtype(i + 1);
      law(type == DType::i64 || type == DType::i32, "an index is i64 or i32");
      const IndexedDim& d = node_->indexed[i];
      law(d.size > 0 && d.stride >= 0, "an indexed dim has elements");
      last += static_cast<__int128>(d.size - 1) * d.stride;
    }
    law(last < graph_.value(table->value).length, "a gather stays inside its table");
  }

  void reduce() const {
    auto* access = std::get_if<Access>(&node_->operands[0]);
    law(access != nullptr, "a reduce reads memory");
    const std::vector<int64_t>& domain = access->geometry.sizes;
    const std::vector<int64_t>& sizes = result().shape.sizes;
    const std::vector<int>& dims = node_->reduce_dims;
    law(domain.size() == sizes.size(), "a reduce keeps the number of dims");
    law(!dims.empty() && dims.front() >= 0 && dims.back() < static_cast<int>(sizes.size()) &&
            std::adjacent_find(dims.begin(), dims.end(), std::greater_equal<>()) == dims.end(),
        "reduce_dims are dims in ascending order");
    for (size_t i = 0; i < sizes.size(); ++i) {
      bool reduced = std::binary_search(dims.begin(), dims.end(), static_cast<int>(i));
      law(sizes[i] == (reduced ? 1 : domain[i]),
          "a reduce's result has size 1 in reduced dims and the domain's size elsewhere");
    }
    if (node_->op == Op::dot_) {
      auto* other = std::get_if<Access>(&node_->operands[1]);
      law(other != nullptr && other->geometry.sizes == domain, "a dot's operands have the same sizes");
      for (size_t i : {0, 1})
        law(is_floating(operand_dtype(i)) &&
                (operand_dtype(i) == result().dtype ||
                 (result().dtype == DType::f32 && info(operand_dtype(i)).kind == DTypeKind::Half)),
            "a dot multiplies floats of its dtype, or half types at f32");
    }
    if (is_attention(node_->op)) attention(domain);
    if (is_recurrence(node_->op)) recurrence(domain);
    DType in = node_->op == Op::dot_ ? result().dtype : operand_dtype(0);
    bool is_position = node_->op == Op::argmin_ || node_->op == Op::argmax_;
    law(result().dtype == (is_position ? DType::i64 : in), "a reduce keeps its dtype, argmin and argmax give i64");
    if (node_->op == Op::any_ || node_->op == Op::all_) law(in == DType::b1, "any and all reduce b1");
    law(info(in).kind != DTypeKind::Half, "no reduce computes at a half type");
  }

  void attention(const std::vector<int64_t>& domain) const {
    const std::vector<int>& dims = node_->reduce_dims;
    const int rank = static_cast<int>(domain.size());
    law(rank >= 4 && dims == std::vector<int>{rank - 2, rank - 1}, "attention reduces its last two dims");
    for (size_t i = 0; i < node_->operands.size(); ++i) {
      auto* access = std::get_if<Access>(&node_->operands[i]);
      law(operand_dtype(i) == DType::f32, "attention computes at f32");
      law(access ? access->geometry.sizes == domain && i < 4 : i >= 3,
          "attention reads queries, keys, values and perhaps a mask, all of the same sizes");
    }
  }

  void recurrence(const std::vector<int64_t>& domain) const {
    law(domain.size() == 7 && node_->reduce_dims == std::vector<int>{5, 6},
        "a recurrent layer is over rows, states, steps, blocks, units, gates and depth, and reduces the last two");
    law(domain[3] * domain[4] == domain[6], "a recurrent layer's depth is as long as its units are many");
    law(result().dtype == DType::f32, "a recurrent layer computes at f32");
    for (size_t i = 0; i < node_->operands.size(); ++i) {
      auto* access = std::get_if<Access>(&node_->operands[i]);
      law(operand_dtype(i) == DType::f32 && access && access->geometry.sizes == domain,
          "a recurrent layer reads memory of its dtype, over all of its domain");
    }
  }

  void update() const {
    auto* base = std::get_if<Access>(&node_->operands[0]);
    law(base != nullptr, "update's first operand is a buffer");
    const Value& old = graph_.value(base->value);
    law(base->geometry == old.shape, "update's first operand is a whole buffer");
    law(old.length == result().length && old.dtype == result().dtype,
        "a new version of a buffer has the length and dtype of the old one");
    law(operand_dtype(1) == old.dtype, "update writes at the buffer's dtype");
    geometry(node_->region, old.length);
    if (auto* written = std::get_if<Access>(&node_->operands[1]))
      law(written->geometry.sizes == node_->region.sizes, "update's region has the sizes of what is written");
    for (size_t i = 0; i < node_->region.sizes.size(); ++i)
      law(node_->region.sizes[i] <= 1 || node_->region.strides[i] > 0, "update writes no element twice");
  }

  void extern_call() const {
    const ExternCall& call = node_->call;
    law(!call.op.empty(), "an extern call names its operator");
    int operands = static_cast<int>(node_->operands.size()), results = static_cast<int>(node_->results.size());
    auto tensor = [&](int operand) {
      law(operand >= -1 && operand < operands, "a tensor argument is an operand of its node");
    };
    for (const ExternArg& arg : call.args) {
      if (auto* one = std::get_if<TensorArg>(&arg)) tensor(one->operand);
      if (auto* many = std::get_if<TensorListArg>(&arg))
        for (int operand : many->operands) tensor(operand);
    }
    std::vector<bool> renewed(results, false);
    for (auto [operand, result] : call.mutates) {
      law(operand >= 0 && operand < operands && result >= 0 && result < results,
          "mutates pairs an operand with a result");
      law(!renewed[result], "each mutated buffer has its own new version");
      renewed[result] = true;
      auto* access = std::get_if<Access>(&node_->operands[operand]);
      law(access != nullptr, "only memory is mutated");
      const Value& old = graph_.value(access->value);
      const Value& fresh = graph_.value(node_->results[result]);
      law(old.length == fresh.length && old.dtype == fresh.dtype,
          "a new version of a buffer has the length and dtype of the old one");
    }
    for (int result : call.returns) law(result >= -1 && result < results, "a return is a result or nothing");
  }

  void mutations() const {
    std::vector<bool> seen(graph_.inputs.size(), false);
    for (const Mutation& m : graph_.mutations) {
      law(m.input >= 0 && m.input < static_cast<int>(graph_.inputs.size()), "a mutation names an input");
      law(!seen[m.input], "an input is mutated once");
      seen[m.input] = true;
      law(is_defined(m.value), "a mutation's value is an input or a result");
      const Value& input = graph_.value(graph_.inputs[m.input]);
      const Value& value = graph_.value(m.value);
      law(input.dtype == value.dtype && input.length == value.length, "a mutation keeps its input's dtype and length");
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;
  const Node* node_ = nullptr;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace braze
