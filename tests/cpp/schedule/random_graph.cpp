#include "schedule/random_graph.h"

#include <algorithm>

#include "graph/geometry.h"
#include "ops/evaluate.h"

namespace braze {
namespace {

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  RandomProgram run(int nodes) {
    for (int i = 0; i < 3; ++i) add_input(DType::f32);
    add_input(DType::i64);
    if (chance(40)) add_input(DType::c128);
    if (chance(40)) add_input(DType::u16);
    for (int i = 0; i < nodes; ++i) step();
    finish();
    return std::move(program_);
  }

 private:
  Graph& graph() { return program_.graph; }
  int below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  std::vector<int64_t> some_sizes() {
    static const std::vector<std::vector<int64_t>> all = {{24}, {4, 6}, {2, 3, 4}, {4, 6},    {2, 3, 4}, {12, 2},
                                                          {6},  {1},    {},        {4, 1, 6}, {8},       {2, 2, 6}};
    return chance(2) ? std::vector<int64_t>{3, 0, 2} : all[below(static_cast<int>(all.size()))];
  }

  void add_input(DType dtype) {
    const Geometry shape = Geometry::contiguous(some_sizes());
    const ValueId id = graph().add_input(dtype, std::max<int64_t>(shape.numel(), 0));
    std::vector<std::byte> memory(graph().value(id).length * info(dtype).bytes);
    const bool stored = info(dtype).kind == DTypeKind::Stored;
    for (std::byte& byte : memory)
      if (stored) byte = static_cast<std::byte>(below(256));
    for (int64_t i = 0; i < graph().value(id).length && !stored; ++i)
      store_element(memory.data() + i * info(dtype).bytes, dtype == DType::i64
                                                               ? Scalar::of_int(dtype, below(4) - 2)
                                                               : Scalar::of_double(dtype, (below(65) - 32) / 8.0));
    program_.inputs.push_back(std::move(memory));
    pool_.push_back({id, shape});
  }

  /// A view of `access`, at random.
  Access viewed(Access access) {
    Geometry& g = access.geometry;
    for (int i = below(3); i > 0; --i) {
      const int dims = static_cast<int>(g.sizes.size());
      const int d = dims == 0 ? 0 : below(dims);
      switch (below(7)) {
        case 0:
          if (dims < 2) break;
          std::swap(g.sizes[d], g.sizes[dims - 1]);
          std::swap(g.strides[d], g.strides[dims - 1]);
          break;
        case 1: g = unsqueezed(g, dims == 0 ? 0 : below(dims + 1)); break;
        case 2:
          if (dims > 0 && g.sizes[d] > 1) g = narrowed(g, d, below(static_cast<int>(g.sizes[d])), 1);
          break;
        case 3:
          if (dims > 0 && g.sizes[d] >= 2 && chance(50)) g = narrowed(g, d, below(2), g.sizes[d] / 2);
          break;
        case 4:
          if (dims > 0 && g.sizes[d] > 0) g = selected(g, d, below(static_cast<int>(g.sizes[d])));
          break;
        case 5:
          if (g.numel() > 0 && g.numel() * 4 < 400) {
            g = unsqueezed(g, 0);
            g.sizes[0] = 1 + below(4);
            g.strides[0] = 0;
          }
          break;
        default:
          if (g == Geometry::contiguous(g.sizes) && g.numel() > 0) {
            const std::vector<int64_t> sizes = some_sizes();
            if (Geometry::contiguous(sizes).numel() == g.numel()) g = Geometry::contiguous(sizes);
          }
      }
    }
    return access;
  }

  Access pick(DType dtype) {
    std::vector<const Access*> fitting;
    for (const Access& access : pool_)
      if (graph().value(access.value).dtype == dtype) fitting.push_back(&access);
    if (fitting.empty()) return {constant(dtype, some_sizes()), {}};
    // Late values more often, so that chains form.
    const size_t at = chance(60) ? fitting.size() - 1 - below(static_cast<int>(std::min<size_t>(fitting.size(), 4)))
                                 : below(static_cast<int>(fitting.size()));
    return *fitting[at];
  }

  ValueId constant(DType dtype, const std::vector<int64_t>& sizes) {
    const Scalar scalar = is_floating(dtype) ? Scalar::of_double(dtype, 1.5) : Scalar::of_int(dtype, 1);
    return elementwise(Op::cast_, dtype, sizes, {scalar});
  }

  /// Something of `dtype` that can be read at `sizes`.
  Operand fitting(DType dtype, const std::vector<int64_t>& sizes) {
    if (chance(15))
      return is_floating(dtype) ? Scalar::of_double(dtype, (below(9) - 4) / 2.0) : Scalar::of_int(dtype, below(3) - 1);
    for (int tries = 0; tries < 12; ++tries) {
      Access access = pick(dtype);
      if (access.geometry.sizes.empty() && graph().value(access.value).length != 1) continue;
      if (tries > 2 || chance(50)) access = viewed(access);
      if (auto g = broadcast_to(access.geometry, sizes)) return Access{access.value, *g};
      Geometry flat = Geometry::contiguous(sizes);
      if (graph().value(access.value).length == flat.numel()) return Access{access.value, flat};
    }
    return graph().whole(constant(dtype, sizes));
  }

  Geometry dense(const std::vector<int64_t>& sizes) {
    Geometry g = Geometry::contiguous(sizes);
    if (sizes.size() < 2 || chance(75)) return g;
    std::vector<int64_t> order = sizes;
    std::swap(order.front(), order.back());
    g = Geometry::contiguous(order);
    std::swap(g.sizes.front(), g.sizes.back());
    std::swap(g.strides.front(), g.strides.back());
    return g;
  }

  ValueId elementwise(Op op, DType dtype, const std::vector<int64_t>& sizes, std::vector<Operand> operands) {
    Node node;
    node.op = op;
    node.operands = std::move(operands);
    const ValueId id = graph().append(std::move(node), dtype, dense(sizes));
    pool_.push_back(graph().whole(id));
    return id;
  }

  void step() {
    switch (below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6: return arithmetic();
      case 7: return select();
      case 8: return rounded();
      case 9:
      case 10:
      case 11: return reduce();
      case 12:
      case 13:
      case 14: return update();
      case 15: return gather();
      case 16: return position();
      case 17: return join();
      case 18: return call();
      default: pool_.push_back(viewed(pick(DType::f32)));
    }
  }

  void arithmetic() {
    static const Op binary[] = {Op::add_, Op::sub_, Op::mul_, Op::maximum_, Op::minimum_};
    static const Op unary[] = {Op::neg_, Op::abs_, Op::floor_, Op::tanh_};
    const Access first = viewed(pick(DType::f32));
    const std::vector<int64_t> sizes = first.geometry.sizes;
    if (chance(30))
      elementwise(unary[below(4)], DType::f32, sizes, {first});
    else if (chance(50))
      elementwise(binary[below(5)], DType::f32, sizes, {first, fitting(DType::f32, sizes)});
    else
      elementwise(binary[below(5)], DType::f32, sizes, {fitting(DType::f32, sizes), first});
  }

  void select() {
    const Access first = pick(DType::f32);
    const std::vector<int64_t> sizes = first.geometry.sizes;
    const ValueId condition = elementwise(Op::lt_, DType::b1, sizes, {first, fitting(DType::f32, sizes)});
    elementwise(Op::where_, DType::f32, sizes,
                {graph().whole(condition), fitting(DType::f32, sizes), fitting(DType::f32, sizes)});
  }

  void rounded() {
    const Access first = pick(DType::f32);
    const DType dtype = chance(50) ? DType::bf16 : chance(50) ? DType::f16 : DType::f64;
    const ValueId other = elementwise(Op::cast_, dtype, first.geometry.sizes, {first});
    elementwise(Op::cast_, DType::f32, first.geometry.sizes, {graph().whole(other)});
  }

  void reduce_truth() {
    const Access first = viewed(pick(DType::f32));
    const std::vector<int64_t> sizes = first.geometry.sizes;
    if (sizes.empty()) return;
    const ValueId positive = elementwise(Op::ge_, DType::b1, sizes, {first, fitting(DType::f32, sizes)});
    Node node;
    node.op = chance(50) ? Op::any_ : Op::all_;
    node.reduce_dims = {below(static_cast<int>(sizes.size()))};
    node.operands = {graph().whole(positive)};
    std::vector<int64_t> kept = sizes;
    kept[node.reduce_dims[0]] = 1;
    const ValueId id = graph().append(std::move(node), DType::b1, dense(kept));
    pool_.push_back(graph().whole(id));
    elementwise(Op::cast_, DType::f32, kept, {graph().whole(id)});
  }

  /// Every row of one thing times every row of another.
  void product() {
    constexpr int64_t kMost = 20000;
    const Access left = viewed(pick(DType::f32));
    if (left.geometry.sizes.empty()) return;
    Access right = left;
    for (int tries = 0; tries < 8; ++tries)
      if (Access other = viewed(pick(DType::f32));
          !other.geometry.sizes.empty() && other.geometry.sizes.back() == left.geometry.sizes.back())
        right = other;
    Node node;
    node.op = Op::dot_;
    const Geometry &a = left.geometry, &b = right.geometry;
    Geometry first{a.offset, {}, {}}, second{b.offset, {}, {}};
    auto add = [&](int64_t size, int64_t stride, int64_t other_stride) {
      first.sizes.push_back(size), first.strides.push_back(stride);
      second.sizes.push_back(size), second.strides.push_back(other_stride);
    };
    for (size_t d = 0; d + 1 < a.sizes.size(); ++d) add(a.sizes[d], a.strides[d], 0);
    for (size_t d = 0; d + 1 < b.sizes.size(); ++d) add(b.sizes[d], 0, b.strides[d]);
    std::vector<int64_t> sizes = first.sizes;
    sizes.push_back(1);
    add(a.sizes.back(), a.strides.back(), b.strides.back());
    if (first.numel() > kMost) return;
    node.reduce_dims = {static_cast<int>(sizes.size()) - 1};
    node.operands = {Access{left.value, first}, Access{right.value, second}};
    const ValueId id = graph().append(std::move(node), DType::f32, dense(sizes));
    pool_.push_back(graph().whole(id));
    elementwise(Op::tanh_, DType::f32, sizes, {graph().whole(id)});
  }

  void reduce() {
    static const Op ops[] = {Op::sum_, Op::max_, Op::min_, Op::sum_, Op::argmax_, Op::argmin_};
    if (chance(15)) return reduce_truth();
    if (chance(15)) return product();
    const Access access = viewed(pick(DType::f32));
    const Geometry& g = access.geometry;
    if (g.sizes.empty()) return;
    Node node;
    node.op = ops[below(6)];
    for (int d = 0; d < static_cast<int>(g.sizes.size()); ++d)
      if (chance(45)) node.reduce_dims.push_back(d);
    if (node.reduce_dims.empty()) node.reduce_dims.push_back(below(static_cast<int>(g.sizes.size())));
    std::vector<int64_t> sizes = g.sizes;
    int64_t reduced = 1;
    for (int d : node.reduce_dims) {
      reduced *= sizes[d];
      sizes[d] = 1;
    }
    if (reduced == 0) node.op = Op::sum_;
    const bool counts = node.op == Op::argmax_ || node.op == Op::argmin_;
    node.operands = {access};
    const ValueId id = graph().append(std::move(node), counts ? DType::i64 : DType::f32, dense(sizes));
    pool_.push_back(graph().whole(id));
    if (counts) elementwise(Op::cast_, DType::f32, sizes, {graph().whole(id)});
    // Normalise something by it: the pattern of softmax and layer_norm.
    if (!counts && chance(60)) {
      if (auto row = broadcast_to(graph().whole(id).geometry, g.sizes))
        elementwise(Op::sub_, DType::f32, g.sizes, {access, Access{id, *row}});
    }
  }

  /// A value of a dtype that only library operators compute with is moved by updates.
  void move_stored() {
    const DType dtype = chance(50) ? DType::c128 : DType::u16;
    std::vector<Access> some;
    for (const Access& access : pool_)
      if (graph().value(access.value).dtype == dtype) some.push_back(access);
    if (some.empty()) return;
    const Access base = some[below(static_cast<int>(some.size()))];
    const Access read = viewed(some[below(static_cast<int>(some.size()))]);
    Geometry region{0, read.geometry.sizes, Geometry::contiguous(read.geometry.sizes).strides};
    if (region.extent() > graph().value(base.value).length) return;
    append_update(base.value, region, read);
  }

  void update() {
    if (chance(15)) return move_stored();
    const Access base = pick(DType::f32);
    const Value& buffer = graph().value(base.value);
    if (buffer.length == 0) return;
    Access window = viewed({base.value, buffer.shape});
    for (size_t d = 0; d < window.geometry.sizes.size(); ++d)
      if (window.geometry.strides[d] == 0 && window.geometry.sizes[d] > 1) return;
    append_update(base.value, window.geometry, fitting(DType::f32, window.geometry.sizes));
  }

  ValueId append_update(ValueId base, const Geometry& region, const Operand& written) {
    Node node;
    node.op = Op::update_;
    node.operands = {graph().whole(base), written};
    node.region = region;
    const Value old = graph().value(base);
    const ValueId id = graph().add_value(old.dtype, old.shape, old.length);
    node.results = {id};
    graph().append(std::move(node));
    pool_.push_back(graph().whole(id));
    return id;
  }

  /// A concatenation: an unwritten buffer filled part by part, and sometimes work on it.
  void join() {
    const int parts = 2 + below(2), dim = below(2);
    std::vector<int64_t> sizes = {4, 6}, ends;
    sizes[dim] = 0;
    for (int i = 0; i < parts; ++i) ends.push_back(sizes[dim] += chance(60) ? 8 : 1 + below(9));
    Node node;
    node.op = Op::empty_;
    ValueId id = graph().append(std::move(node), DType::f32, dense(sizes));
    const Geometry whole = graph().value(id).shape;
    for (int i = 0; i < parts; ++i) {
      const int64_t start = i == 0 ? 0 : ends[i - 1];
      const Geometry region = narrowed(whole, dim, start, ends[i] - start);
      id = append_update(id, region, fitting(DType::f32, region.sizes));
      // Until the last part is there, the rest holds nothing anyone may read.
      if (i + 1 < parts) pool_.erase(std::find(pool_.begin(), pool_.end(), graph().whole(id)));
    }
    for (int i = below(4); i > 0; --i)
      id = elementwise(Op::add_, DType::f32, sizes, {graph().whole(id), fitting(DType::f32, sizes)});
  }

  void gather() {
    const Access table = pick(DType::f32);
    const Geometry& g = table.geometry;
    std::vector<int> dims;
    for (int d = 0; d < static_cast<int>(g.sizes.size()); ++d)
      if (g.sizes[d] >= 2) dims.push_back(d);
    if (dims.empty() || g.numel() == 0) return;
    const int d = dims[below(static_cast<int>(dims.size()))];
    Access fixed = table;
    fixed.geometry.strides[d] = 0;
    Node node;
    node.op = Op::gather_;
    node.indexed = {{g.sizes[d], g.strides[d]}};
    Operand index = small_index(g.sizes);
    if (chance(40)) {
      index = graph().whole(elementwise(Op::cast_, DType::i32, g.sizes, {index}));
    }
    node.operands = {fixed, index};
    const ValueId id = graph().append(std::move(node), DType::f32, dense(g.sizes));
    pool_.push_back(graph().whole(id));
  }

  /// Indices in [-2, 2), made of whatever integers there are.
  Operand small_index(const std::vector<int64_t>& sizes) {
    const Operand any = fitting(DType::i64, sizes);
    const ValueId low = elementwise(Op::maximum_, DType::i64, sizes, {any, Scalar::of_int(DType::i64, -2)});
    return graph().whole(
        elementwise(Op::minimum_, DType::i64, sizes, {graph().whole(low), Scalar::of_int(DType::i64, 1)}));
  }

  void position() {
    const std::vector<int64_t> sizes = some_sizes();
    if (sizes.empty()) return;
    Node node;
    node.op = Op::index_;
    node.dim = below(static_cast<int>(sizes.size()));
    const ValueId id = graph().append(std::move(node), DType::i64, dense(sizes));
    pool_.push_back(graph().whole(id));
    elementwise(Op::cast_, DType::f32, sizes, {graph().whole(id)});
  }

  void call() {
    const Access first = viewed(pick(DType::f32));
    if (first.geometry.numel() == 0) return;
    Node node;
    node.op = Op::extern_;
    node.operands = {first, pick(DType::f32)};
    node.call.args = {TensorArg{0}, TensorArg{1}};
    for (size_t d = 0; d < first.geometry.sizes.size(); ++d)
      if (first.geometry.strides[d] == 0 && first.geometry.sizes[d] > 1) return;
    const bool writes = chance(50);
    node.call.op = writes ? "test::grow_" : "test::blend";
    ValueId id;
    if (writes) {
      node.call.mutates = {{0, 0}};
      const Value old = graph().value(first.value);
      id = graph().add_value(old.dtype, old.shape, old.length);
    } else {
      id = graph().add_value(DType::f32, dense(first.geometry.sizes));
    }
    node.results = {id};
    graph().append(std::move(node));
    pool_.push_back(graph().whole(id));
  }

  void finish() {
    std::vector<ValueId> whole;
    for (const Access& access : pool_) whole.push_back(access.value);

    for (int i = 1 + below(4); i > 0; --i)
      graph().outputs.push_back(whole[whole.size() - 1 - below(static_cast<int>(std::min<size_t>(whole.size(), 8)))]);
    if (chance(10)) graph().outputs.push_back(graph().inputs[0]);
    if (chance(10)) graph().outputs.push_back(graph().outputs[0]);
    for (int input = 0; input < static_cast<int>(graph().inputs.size()); ++input) {
      if (!chance(50)) continue;
      const Value& old = graph().value(graph().inputs[input]);
      std::vector<ValueId> fitting;
      for (ValueId id : whole)
        if (graph().value(id).dtype == old.dtype && graph().value(id).length == old.length) fitting.push_back(id);
      graph().mutations.push_back(
          {input, fitting[chance(60) ? fitting.size() - 1 : below(static_cast<int>(fitting.size()))]});
    }
  }

  std::mt19937 random_;
  RandomProgram program_;
  std::vector<Access> pool_;
};

}  // namespace

RandomProgram random_program(uint32_t seed, int nodes) { return Generator(seed).run(nodes); }

}  // namespace braze
