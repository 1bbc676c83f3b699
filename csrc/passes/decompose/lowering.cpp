#include "passes/decompose/lowering.h"

#include <algorithm>
#include <numeric>

#include "graph/geometry.h"
#include "ops/evaluate.h"

namespace braze {
namespace {

std::string_view base_name(std::string_view op) {
  size_t colons = op.find("::");
  return colons == std::string_view::npos ? op : op.substr(colons + 2);
}

bool is_integer_like(const ExternArg& arg) {
  return std::holds_alternative<int64_t>(arg) || std::holds_alternative<bool>(arg);
}

}  // namespace

std::vector<int> all_dims(size_t rank) {
  std::vector<int> dims(rank);
  std::iota(dims.begin(), dims.end(), 0);
  return dims;
}

Lowering::Lowering(Graph& graph, const Node& node, const std::vector<char>& read)
    : graph_(graph),
      node_(node),
      read_(read),
      builder_(graph, node.origin.empty() ? node.call.op + (node.call.overload.empty() ? "" : "." + node.call.overload)
                                          : node.origin),
      first_node_(graph.nodes.size()),
      first_value_(static_cast<ValueId>(graph.values.size())),
      name_(base_name(node.call.op)),
      count_(node.call.args.size()) {
  find_mode();
  if (mode_ == Mode::Functional) {
    for (ValueId id : fresh_results())
      require(graph.value(id).shape.is_dense() && graph.value(id).length == graph.value(id).shape.numel());
    if (!node.results.empty()) builder_.lay_out_like(graph.value(node.results[0]).shape);
  } else if (!targets_.empty()) {
    const Geometry& g = std::get<Access>(node.operands[targets_[0]]).geometry;
    builder_.lay_out_like({0, g.sizes, g.strides});
  }
}

std::vector<ValueId> Lowering::fresh_results() const {
  std::vector<ValueId> fresh;
  for (size_t r = 0; r < node_.results.size(); ++r)
    if (std::none_of(node_.call.mutates.begin(), node_.call.mutates.end(),
                     [&](auto& m) { return m.second == static_cast<int>(r); }))
      fresh.push_back(node_.results[r]);
  return fresh;
}

/// In-place calls write their first argument and end in "_"; out= calls write their last ones.
void Lowering::find_mode() {
  const auto& mutates = node_.call.mutates;
  if (mutates.empty()) return;
  auto is_written = [&](size_t i) {
    auto* tensor = std::get_if<TensorArg>(&node_.call.args[i]);
    return tensor && std::any_of(mutates.begin(), mutates.end(), [&](auto& m) { return m.first == tensor->operand; });
  };
  if (node_.results.size() > mutates.size()) return;  // fresh results and set_written
  if (!require(count_ > 0)) return;
  bool ends_in_one = name_.size() > 1 && name_.back() == '_' && name_[name_.size() - 2] != '_';
  if (ends_in_one && mutates.size() == 1 && is_written(0)) {
    mode_ = Mode::InPlace;
    name_.remove_suffix(1);
    targets_.push_back(std::get<TensorArg>(node_.call.args[0]).operand);
    return;
  }
  for (size_t i = count_ - std::min(count_, mutates.size()); i < count_; ++i)
    if (!require(is_written(i))) return;
  mode_ = Mode::Out;
  count_ -= mutates.size();
  for (size_t i = count_; i < node_.call.args.size(); ++i)
    targets_.push_back(std::get<TensorArg>(node_.call.args[i]).operand);
  for (size_t a = 0; a < targets_.size(); ++a)
    for (size_t b = 0; b < a; ++b)
      require(std::get<Access>(node_.operands[targets_[a]]).value !=
              std::get<Access>(node_.operands[targets_[b]]).value);
}

bool Lowering::require(bool condition) {
  if (!condition) refuse();
  return condition;
}

const ExternArg& Lowering::arg(size_t i) const {
  static const ExternArg absent = NoneArg{};
  return i < count_ ? node_.call.args[i] : absent;
}

int Lowering::operand_of(size_t i) const {
  auto* tensor = std::get_if<TensorArg>(&arg(i));
  return tensor ? tensor->operand : -1;
}

bool Lowering::is_none(size_t i) const {
  auto* tensor = std::get_if<TensorArg>(&arg(i));
  return tensor ? tensor->operand < 0 : std::holds_alternative<NoneArg>(arg(i));
}

bool Lowering::is_number(size_t i) const {
  if (int operand = operand_of(i); operand >= 0) return std::holds_alternative<Scalar>(node_.operands[operand]);
  return is_integer_like(arg(i)) || std::holds_alternative<double>(arg(i));
}

bool Lowering::is_memory(size_t i) const {
  int operand = operand_of(i);
  return operand >= 0 && std::holds_alternative<Access>(node_.operands[operand]);
}

Expr Lowering::raw(size_t i) {
  if (int operand = operand_of(i); operand >= 0) return builder_.wrap(node_.operands[operand]);
  if (auto* value = std::get_if<bool>(&arg(i))) return builder_.integer(DType::b1, *value);
  if (auto* value = std::get_if<int64_t>(&arg(i))) return builder_.integer(DType::i64, *value);
  if (auto* value = std::get_if<double>(&arg(i))) return builder_.number(DType::f64, *value);
  return builder_.refuse();
}

Expr Lowering::in(size_t i, DType common) { return cast(opmath(common), cast(common, raw(i))); }

Expr Lowering::coefficient(size_t i, DType common) {
  if (!require(is_number(i))) return builder_.number(opmath(common), 0);
  return cast(opmath(common), raw(i));
}

Expr Lowering::channel_parameter(size_t i, size_t rank, DType common) {
  Expr x = in(i, common);
  if (!require(!x.is_number() && x.sizes().size() == 1)) return x;
  return x.before_dims(rank > 2 ? rank - 2 : 0);
}

/// A load out of range is what makes a kernel report failure.
Expr Lowering::checked(const Expr& condition, const Expr& x, size_t i) {
  if (!require(is_memory(i) && !x.is_number() && memory(i).geometry.numel() > 0) || refused()) return x;
  const std::vector<int64_t> sizes = x.sizes();
  Access any{memory(i).value, {memory(i).geometry.offset, sizes, std::vector<int64_t>(sizes.size())}};
  Expr position = select(condition, builder_.integer(DType::i64, 0), builder_.integer(DType::i64, 1));
  return select(condition, x, cast(x.dtype(), builder_.gather(any, {{1, 0}}, {position})));
}

DType Lowering::dtype(size_t i) {
  if (!require(is_memory(i))) return DType::f32;
  DType dtype = graph_.value(memory(i).value).dtype;
  require(info(dtype).kind != DTypeKind::Stored);
  return dtype;
}

const std::vector<int64_t>& Lowering::no_sizes() {
  static const std::vector<int64_t> none;
  refuse();
  return none;
}

const std::vector<int64_t>& Lowering::sizes(size_t i) { return is_memory(i) ? memory(i).geometry.sizes : no_sizes(); }

const Access& Lowering::memory(size_t i) {
  static const Access none{0, {}};
  if (!require(is_memory(i))) return none;
  return std::get<Access>(node_.operands[operand_of(i)]);
}

std::vector<Expr> Lowering::tensors(size_t i) {
  std::vector<Expr> result;
  auto* list = std::get_if<TensorListArg>(&arg(i));
  if (!require(list != nullptr)) return result;
  for (int operand : list->operands) {
    if (!require(operand >= 0 && std::holds_alternative<Access>(node_.operands[operand]))) return {};
    result.push_back(builder_.wrap(node_.operands[operand]));
  }
  return result;
}

Expr Lowering::operand(int position) {
  if (!require(position >= 0 && position < static_cast<int>(node_.operands.size()))) return builder_.refuse();
  return builder_.wrap(node_.operands[position]);
}

double Lowering::real(size_t i) {
  if (!require(is_number(i))) return 0;
  return raw(i).number().as_double();
}

int64_t Lowering::integer(size_t i) {
  if (!require(is_number(i) && !is_floating(raw(i).dtype()))) return 0;
  return raw(i).number().as_int();
}

bool Lowering::flag(size_t i) {
  auto* value = std::get_if<bool>(&arg(i));
  return require(value != nullptr) && *value;
}

std::string_view Lowering::text(size_t i) {
  auto* value = std::get_if<std::string>(&arg(i));
  return require(value != nullptr) ? std::string_view(*value) : std::string_view();
}

std::vector<int64_t> Lowering::integers(size_t i) {
  if (auto* list = std::get_if<std::vector<int64_t>>(&arg(i))) return *list;
  if (is_number(i)) return {integer(i)};
  refuse();
  return {};
}

std::optional<DType> Lowering::dtype_argument(size_t i) {
  auto* named = std::get_if<NamedArg>(&arg(i));
  if (!named || named->kind != "dtype") {
    require(is_none(i));
    return std::nullopt;
  }
  auto dtype = dtype_from_torch_name(named->value);
  require(dtype.has_value());
  return dtype;
}

int Lowering::dim(size_t i, size_t rank) {
  int64_t d = integer(i), n = std::max<int64_t>(static_cast<int64_t>(rank), 1);
  if (d < 0) d += n;
  if (!require(d >= 0 && d < n)) return 0;
  return static_cast<int>(d);
}

std::vector<int> Lowering::dims(size_t i, size_t rank) {
  if (is_none(i)) return all_dims(rank);
  std::vector<int> result;
  const int64_t n = static_cast<int64_t>(rank);
  std::vector<int64_t> given = integers(i);
  if (given.empty()) return all_dims(rank);
  for (int64_t d : given) {
    if (rank == 0 && (d == 0 || d == -1)) continue;
    if (d < 0) d += n;
    if (!require(d >= 0 && d < n)) return {};
    result.push_back(static_cast<int>(d));
  }
  std::sort(result.begin(), result.end());
  require(std::adjacent_find(result.begin(), result.end()) == result.end());
  return result;
}

DType Lowering::common_dtype(const std::vector<size_t>& positions) {
  Promotion promotion;
  for (size_t i : positions) {
    if (!is_none(i)) {
      Expr x = raw(i);
      promotion.add(x.dtype(), x.is_number() ? Rank::Number : x.sizes().empty() ? Rank::ZeroDim : Rank::Tensor);
    }
  }
  auto dtype = promotion.result();
  if (!require(dtype.has_value())) return DType::f32;
  // Floating by a number alone: then it is the default dtype.
  const bool has_floats = std::any_of(positions.begin(), positions.end(), [&](size_t i) {
    return !is_none(i) && !raw(i).is_number() && is_floating(raw(i).dtype());
  });
  return is_floating(*dtype) && !has_floats ? floating(DType::i64) : *dtype;
}

DType Lowering::floating(DType dtype) {
  if (is_floating(dtype)) return dtype;
  return require(is_functional() && is_floating(result_dtype())) ? result_dtype() : DType::f32;
}

int Lowering::result_of(size_t k) const {
  if (mode_ != Mode::Functional) {
    if (k >= targets_.size()) return -1;
    for (auto [operand, result] : node_.call.mutates)
      if (operand == targets_[k]) return result;
    return -1;
  }
  if (node_.call.returns.empty()) return k < node_.results.size() ? static_cast<int>(k) : -1;
  return k < node_.call.returns.size() ? node_.call.returns[k] : -1;
}

bool Lowering::wanted(size_t k) const { return result_of(k) >= 0; }

bool Lowering::is_read(size_t k) const { return wanted(k) && read_[node_.results[result_of(k)]]; }

DType Lowering::result_dtype(size_t k) {
  return require(wanted(k)) ? graph_.value(node_.results[result_of(k)]).dtype : DType::f32;
}

const std::vector<int64_t>& Lowering::result_sizes(size_t k) {
  if (!wanted(k)) return no_sizes();
  if (mode_ != Mode::Functional) return std::get<Access>(node_.operands[targets_[k]]).geometry.sizes;
  return graph_.value(node_.results[result_of(k)]).shape.sizes;
}

Geometry Lowering::result_shape(size_t k) {
  if (!wanted(k)) return Geometry::contiguous(no_sizes());
  if (mode_ == Mode::Functional) return graph_.value(node_.results[result_of(k)]).shape;
  const Geometry& g = std::get<Access>(node_.operands[targets_[k]]).geometry;
  return laid_out_like({0, g.sizes, g.strides}, g.sizes);
}

void Lowering::set(size_t k, const Expr& x, DType common) {
  if (!wanted(k) || refused()) return;
  const int position = result_of(k);
  const DType dtype = graph_.value(node_.results[position]).dtype;
  for (const Pending& p : pending_) require(p.position != position);
  require(mode_ != Mode::Functional || dtype == common);
  Expr value = cast(dtype, cast(common, x));
  if (!value.is_number()) {
    auto geometry = with_ones(value.geometry(), result_sizes(k));
    if (!geometry) geometry = broadcast_to(value.geometry(), result_sizes(k));
    if (!require(geometry.has_value())) return;
    value = value.through(*geometry);
  }
  pending_.push_back({position, value, mode_ == Mode::Functional ? -1 : targets_[k]});
}

void Lowering::set_in_shape(size_t k, const Expr& x, DType common, const Geometry& shape) {
  if (!wanted(k) || refused() || !require(is_functional() && result_dtype(k) == common)) return;
  Expr value = cast(common, x);
  if (!require(!value.is_number() && value.geometry() == shape && shape.is_dense())) return;
  pending_.push_back({result_of(k), value, -1, true});
}

void Lowering::set_seen(const Geometry& from, const Geometry& to) {
  if (refused() || !require(is_functional() && from.sizes == to.sizes && to.is_dense() && to.numel() > 0)) return;
  set_in_shape(0, builder_.fill(result_dtype(), to, raw(0).through(from)), dtype(0), to);
}

bool Lowering::set_if_empty() {
  if (refused() || !is_functional() || !node_.call.mutates.empty() || node_.results.empty()) return false;
  for (ValueId id : node_.results)
    if (graph_.value(id).length > 0) return false;
  for (const Operand& operand : node_.operands)
    if (!is_floating(dtype_of(graph_, operand)) && builder_.wrap(operand).numel() > 0) return false;
  for (size_t k = 0; k < std::max(node_.call.returns.size(), node_.results.size()); ++k)
    if (wanted(k)) set(k, builder_.empty(result_dtype(k), result_shape(k)));
  return true;
}

void Lowering::set_written(size_t i, const Expr& x) {
  const int operand = operand_of(i);
  for (auto [written, result] : node_.call.mutates) {
    if (written != operand) continue;
    Expr value = cast(dtype(i), x);
    if (value.is_number()) return refuse();
    auto geometry = with_ones(value.geometry(), sizes(i));
    if (!require(geometry.has_value())) return;
    pending_.push_back({result, value.through(*geometry), operand});
    return;
  }
  refuse();
}

/// Makes `result` the name of the value `x` is the whole of, when this lowering made that value and it lies in memory
/// as the result must. All nodes and results that read it follow.
bool Lowering::rename(ValueId result, const Expr& x, bool any_shape) {
  if (x.is_number()) return false;
  const ValueId from = std::get<Access>(x.operand()).value;
  if (from < first_value_ || graph_.value(result).producer >= 0) return false;
  const Value& made = graph_.value(from);
  const Value& wanted = graph_.value(result);
  if (made.dtype != wanted.dtype || made.length != wanted.length) return false;
  if (!any_shape && squeezed(made.shape) != squeezed(wanted.shape)) return false;
  if (squeezed(x.geometry()) != squeezed(made.shape)) return false;
  graph_.values[result] = made;
  graph_.values[from].producer = -1;
  for (size_t i = first_node_; i < graph_.nodes.size(); ++i) {
    for (ValueId& id : graph_.nodes[i].results)
      if (id == from) id = result;
    for (Operand& operand : graph_.nodes[i].operands)
      if (auto* access = std::get_if<Access>(&operand); access && access->value == from) access->value = result;
  }
  for (Pending& p : pending_)
    if (!p.value.is_number() && std::get<Access>(p.value.operand()).value == from)
      p.value = builder_.wrap(Access{result, p.value.geometry()});
  return true;
}

void Lowering::place(const Pending& pending) {
  const ValueId result = node_.results[pending.position];
  if (pending.target < 0) {
    if (rename(result, pending.value, pending.any_shape)) return;
    if (!require(!pending.any_shape)) return;
    Expr made = builder_.fill(graph_.value(result).dtype, graph_.value(result).shape, pending.value);
    if (!refused()) require(rename(result, made));
    return;
  }
  const Access& target = std::get<Access>(node_.operands[pending.target]);
  Expr made = builder_.update(builder_.wrap(target), target.geometry, pending.value);
  if (refused()) return;
  ValueId& written = graph_.nodes.back().results[0];
  std::swap(graph_.values[result].producer, graph_.values[written].producer);
  written = result;
}

bool Lowering::finish() {
  for (size_t r = 0; r < node_.results.size(); ++r) {
    const bool is_set = std::any_of(pending_.begin(), pending_.end(),
                                    [&](const Pending& p) { return p.position == static_cast<int>(r); });
    require(is_set || !read_[node_.results[r]]);
  }
  if (refused() || pending_.empty()) return false;
  for (size_t i = 0; i < pending_.size() && !refused(); ++i) place(Pending(pending_[i]));
  return !refused();
}

}  // namespace braze
