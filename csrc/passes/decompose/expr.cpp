#include "passes/decompose/expr.h"

#include <algorithm>

#include "graph/geometry.h"
#include "ops/evaluate.h"

namespace braze {
namespace {

bool computes_at(DType dtype) {
  DTypeKind kind = info(dtype).kind;
  return kind != DTypeKind::Half && kind != DTypeKind::Stored;
}

}  // namespace

Expr Builder::refuse() {
  refused_ = true;
  return number(DType::f32, 0);
}

Expr Builder::wrap(Operand operand) { return {*this, std::move(operand)}; }

Expr Builder::number(DType dtype, double value) {
  if (!is_floating(dtype)) return integer(dtype, static_cast<int64_t>(value));
  return wrap(convert(Scalar::of_double(DType::f64, value), dtype));
}

Expr Builder::integer(DType dtype, int64_t value) { return wrap(convert(Scalar::of_int(DType::i64, value), dtype)); }

Expr Builder::append(Node node, DType dtype, Geometry shape) {
  node.origin = origin_;
  ValueId id = graph_.append(std::move(node), dtype, std::move(shape));
  return wrap(graph_.whole(id));
}

Expr Builder::elementwise(Op op, DType dtype, const std::vector<Expr>& operands) {
  if (op != Op::cast_ && !computes_at(info(op).has(Compares) ? operands[0].dtype() : dtype)) return refuse();
  if (info(dtype).kind == DTypeKind::Stored) return refuse();
  for (const Expr& e : operands)
    if (info(e.dtype()).kind == DTypeKind::Stored) return refuse();
  if (std::all_of(operands.begin(), operands.end(), [](const Expr& e) { return e.is_number(); })) {
    if (refused_) return refuse();
    std::vector<Scalar> numbers;
    numbers.reserve(operands.size());
    for (const Expr& e : operands) numbers.push_back(e.number());
    return wrap(evaluate(op, dtype, numbers));
  }
  std::vector<int64_t> sizes;
  for (const Expr& e : operands) {
    auto joined = broadcast_sizes(sizes, e.sizes());
    if (!joined) return refuse();
    sizes = std::move(*joined);
  }
  Node node;
  node.op = op;
  for (const Expr& e : operands) {
    if (e.is_number())
      node.operands.push_back(e.number());
    else
      node.operands.push_back(Access{std::get<Access>(e.operand()).value, *broadcast_to(e.geometry(), sizes)});
  }
  return append(std::move(node), dtype, laid_out_like(layout_, sizes));
}

Expr Builder::reduce(Op op, const Expr& x, std::vector<int> dims) {
  if (x.is_number() || x.numel() == 0 || !computes_at(x.dtype())) return refuse();
  std::sort(dims.begin(), dims.end());
  std::vector<int64_t> sizes = x.sizes();
  for (int d : dims) sizes[d] = 1;
  DType dtype = op == Op::argmin_ || op == Op::argmax_ ? DType::i64 : x.dtype();
  if (dims.empty()) {  // of a 0-d tensor
    if (op != Op::argmin_ && op != Op::argmax_) return x;
    return fill(dtype, laid_out_like(layout_, sizes), integer(dtype, 0));
  }
  Node node;
  node.op = op;
  node.operands = {x.operand()};
  node.reduce_dims = std::move(dims);
  return append(std::move(node), dtype, laid_out_like(layout_, sizes));
}

Expr Builder::index(const std::vector<int64_t>& sizes, int dim) {
  Node node;
  node.op = Op::index_;
  node.dim = dim;
  return append(std::move(node), DType::i64, laid_out_like(layout_, sizes));
}

Expr Builder::gather(const Access& table, std::vector<IndexedDim> indexed, const std::vector<Expr>& positions) {
  const std::vector<int64_t>& sizes = table.geometry.sizes;
  const Value& value = graph_.value(table.value);
  if (info(value.dtype).kind == DTypeKind::Stored) return refuse();
  Node node;
  node.op = Op::gather_;
  node.operands = {table};
  for (const Expr& position : positions) {
    if (position.is_number()) {
      node.operands.push_back(convert(position.number(), DType::i64));
      continue;
    }
    auto geometry = broadcast_to(position.geometry(), sizes);
    if (!geometry || position.dtype() != DType::i64) return refuse();
    node.operands.push_back(Access{std::get<Access>(position.operand()).value, *geometry});
  }
  for (const IndexedDim& d : indexed)
    if (d.size <= 0) return refuse();
  node.indexed = std::move(indexed);
  return append(std::move(node), value.dtype, laid_out_like(layout_, sizes));
}

Expr Builder::fill(DType dtype, Geometry shape, const Expr& x) {
  if (!shape.is_dense() || info(dtype).kind == DTypeKind::Stored || info(x.dtype()).kind == DTypeKind::Stored)
    return refuse();
  Node node;
  node.op = Op::cast_;
  if (x.is_number()) {
    node.operands = {convert(x.number(), dtype)};
  } else {
    auto geometry = broadcast_to(x.geometry(), shape.sizes);
    if (!geometry) return refuse();
    node.operands = {Access{std::get<Access>(x.operand()).value, *geometry}};
  }
  return append(std::move(node), dtype, std::move(shape));
}

Expr Builder::empty(DType dtype, Geometry shape) { return append(Node{}, dtype, std::move(shape)); }

Expr Builder::update(const Expr& base, Geometry region, const Expr& x) {
  if (base.is_number()) return refuse();
  Access whole = graph_.whole(std::get<Access>(base.operand()).value);
  const Value& old = graph_.value(whole.value);
  const DType dtype = old.dtype;
  if (info(dtype).kind == DTypeKind::Stored) return refuse();
  Expr written = cast(dtype, x);
  if (!written.is_number()) {
    auto geometry = broadcast_to(written.geometry(), region.sizes);
    if (!geometry) return refuse();
    written = written.through(*geometry);
  }
  Node node;
  node.op = Op::update_;
  node.origin = origin_;
  node.operands = {whole, written.operand()};
  node.region = std::move(region);
  ValueId id = graph_.add_value(dtype, whole.geometry, graph_.value(whole.value).length);
  node.results = {id};
  graph_.append(std::move(node));
  return wrap(graph_.whole(id));
}

std::vector<int64_t> Expr::sizes() const { return is_number() ? std::vector<int64_t>{} : geometry().sizes; }

int64_t Expr::numel() const { return is_number() ? 1 : geometry().numel(); }

Expr Expr::through(Geometry geometry) const {
  return {*builder_, Access{std::get<Access>(operand_).value, std::move(geometry)}};
}

Expr Expr::with_dims(size_t count) const {
  if (is_number()) return *this;
  Geometry g = geometry();
  while (g.sizes.size() < count) g = unsqueezed(std::move(g), 0);
  return through(std::move(g));
}

Expr Expr::before_dims(size_t count) const {
  if (is_number()) return *this;
  Geometry g = geometry();
  for (size_t i = 0; i < count; ++i) {
    const int last = static_cast<int>(g.sizes.size());
    g = unsqueezed(std::move(g), last);
  }
  return through(std::move(g));
}

Expr apply(Op op, const Expr& x) {
  return x.builder().elementwise(op, info(op).has(Compares) ? DType::b1 : x.dtype(), {x});
}

Expr apply(Op op, const Expr& x, const Expr& y) {
  if (x.dtype() != y.dtype()) return x.builder().refuse();
  return x.builder().elementwise(op, info(op).has(Compares) ? DType::b1 : x.dtype(), {x, y});
}

Expr fma(const Expr& x, const Expr& y, const Expr& z) {
  if (!is_floating(x.dtype())) return x * y + z;
  if (x.dtype() != y.dtype() || x.dtype() != z.dtype()) return x.builder().refuse();
  return x.builder().elementwise(Op::fma_, x.dtype(), {x, y, z});
}

Expr select(const Expr& condition, const Expr& yes, const Expr& no) {
  if (condition.dtype() != DType::b1 || yes.dtype() != no.dtype()) return condition.builder().refuse();
  if (condition.is_number()) return condition.number().as_int() ? yes : no;
  return condition.builder().elementwise(Op::where_, yes.dtype(), {condition, yes, no});
}

Expr cast(DType dtype, const Expr& x) {
  if (x.dtype() == dtype) return x;
  return x.builder().elementwise(Op::cast_, dtype, {x});
}

Expr taken(const Expr& x, int dim, const Expr& positions) {
  if (x.is_number()) return x.builder().refuse();
  Access table = std::get<Access>(x.operand());
  Geometry& g = table.geometry;
  const IndexedDim indexed{g.sizes[dim], g.strides[dim]};
  g.sizes[dim] = positions.numel();
  g.strides[dim] = 0;
  return x.builder().gather(table, {indexed}, {positions.before_dims(g.sizes.size() - dim - 1)});
}

std::vector<Expr> elements_of(const Expr& x) {
  if (x.is_number()) return {x};
  std::vector<Geometry> places = {x.geometry()};
  while (!places[0].sizes.empty()) {
    std::vector<Geometry> next;
    for (const Geometry& g : places)
      for (int64_t i = 0; i < g.sizes[0]; ++i) next.push_back(selected(g, 0, i));
    places = std::move(next);
  }
  std::vector<Expr> found;
  found.reserve(places.size());
  for (Geometry& g : places) found.push_back(x.through(std::move(g)));
  return found;
}

Expr like(const Expr& x, double value) { return x.builder().number(x.dtype(), value); }

}  // namespace braze
