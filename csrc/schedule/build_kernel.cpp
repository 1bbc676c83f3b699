// Emits a group's members in order: loads at first use, one instruction for equal ones, stores at the end.
#include "schedule/build_kernel.h"

#include <algorithm>
#include <unordered_map>

#include "ops/evaluate.h"
#include "schedule/axis_order.h"
#include "support/error.h"

namespace braze {
namespace {

using Key = std::vector<int64_t>;

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t hash = 1469598103934665603u;
    for (int64_t word : key) hash = (hash ^ static_cast<uint64_t>(word)) * 1099511628211u;
    return hash;
  }
};

Key key_of(const Instr& in) {
  Key key = {static_cast<int64_t>(in.kind),
             static_cast<int64_t>(in.op),
             static_cast<int64_t>(in.dtype),
             in.row,
             in.param,
             in.offset,
             static_cast<int64_t>(in.immediate.bits),
             static_cast<int64_t>(in.args.size())};
  key.insert(key.end(), in.args.begin(), in.args.end());
  key.insert(key.end(), in.strides.begin(), in.strides.end());
  for (const IndexedDim& dim : in.indexed) key.insert(key.end(), {dim.size, dim.stride});
  return key;
}

class KernelBuilder {
 public:
  KernelBuilder(const Graph& graph, const FusionGroup& group, const std::vector<char>& live,
                const std::vector<char>& in_memory)
      : graph_(graph), group_(group), live_(live), in_memory_(in_memory), made_(group.members.size(), -1) {}

  BuiltKernel run() {
    axes_ = choose_axes(group_, accesses());
    kernel().axes = axes_.extents;
    kernel().reduce_axes = axes_.reduce_axes;
    kernel().vector_axis = axes_.vector_axis;
    for (size_t m = 0; m < group_.members.size(); ++m)
      if (live_[m]) compute(m);
    for (size_t m = 0; m < group_.members.size(); ++m)
      if (live_[m] && is_stored(group_.members[m])) store(m);
    return std::move(built_);
  }

 private:
  Kernel& kernel() { return built_.kernel; }

  bool is_stored(const Member& member) const { return !member.copied && in_memory_[member.value]; }

  bool moves_along_reduced(const AddressMap& map) const {
    for (size_t d = 0; d < group_.dims.size(); ++d)
      if (group_.dims[d].reduced && map.strides[d] != 0) return true;
    return false;
  }

  std::vector<LoopAccess> accesses() const {
    const bool reduces = group_.has_reduced_dims();
    std::vector<LoopAccess> found;
    auto add = [&](const AddressMap& map, bool written, bool memory, int factor = -1) {
      found.push_back({map.strides, written, reduces && !moves_along_reduced(map), memory, factor});
    };
    for (size_t m = 0; m < group_.members.size(); ++m) {
      if (!live_[m]) continue;
      const Member& member = group_.members[m];
      for (size_t s = 0; s < member.sources.size(); ++s) {
        const Source& source = member.sources[s];
        if (source.value >= 0 && (source.table || group_.find(source.value, source.map) < 0))
          add(source.map, false, true, member.op == Op::dot_ || group_.stands_alone() ? static_cast<int>(s) : -1);
      }
      if (is_stored(member)) add(member.result, true, true);
      if (member.op == Op::index_) add(member.position, false, false);
    }
    return found;
  }

  int param(ValueId value, bool written) {
    auto [at, fresh] = param_of_.try_emplace(value * 2 + written, static_cast<int>(built_.params.size()));
    if (fresh) {
      built_.params.push_back(value);
      kernel().params.push_back({moved_as(graph_.value(value).dtype), written});
    }
    return at->second;
  }

  int emit(Instr in) {
    auto [at, fresh] = known_.try_emplace(key_of(in), static_cast<int>(kernel().body.size()));
    if (fresh) kernel().body.push_back(std::move(in));
    return at->second;
  }

  void place(Instr& in, const AddressMap& map) const {
    in.offset = map.offset;
    for (const std::vector<int>& dims : axes_.dims) in.strides.push_back(map.strides[dims.back()]);
  }

  bool is_row(const AddressMap& map) const { return axes_.reduce_axes > 0 && !moves_along_reduced(map); }

  int constant(const Scalar& value) {
    Instr in;
    in.kind = InstrKind::Constant;
    in.dtype = value.dtype;
    in.immediate = value;
    return emit(std::move(in));
  }

  int load(ValueId value, const AddressMap& map, bool row) {
    Instr in;
    in.kind = InstrKind::Load;
    in.param = param(value, false);
    in.dtype = kernel().params[in.param].dtype;
    in.row = row;
    place(in, map);
    return emit(std::move(in));
  }

  int read(const Source& source) {
    if (source.value < 0) return constant({moved_as(source.constant.dtype), source.constant.bits});
    const int member = group_.find(source.value, source.map);
    return member >= 0 ? made_[member] : load(source.value, source.map, is_row(source.map) && !group_.stands_alone());
  }

  /// The same value at level Element, which is what a reduction reads.
  int as_element(int arg) {
    Instr in = kernel().body[arg];
    if (!in.row) return arg;
    if (in.kind != InstrKind::Load) {
      in = Instr{InstrKind::Elementwise, Op::cast_, in.dtype};
      in.args = {arg};
    }
    in.row = false;
    return emit(std::move(in));
  }

  /// A factor of a product at the dtype of the sums.
  int as_factor(int arg, DType dtype) {
    Instr in{InstrKind::Elementwise, Op::cast_, dtype};
    in.args = {arg};
    return emit_elementwise(std::move(in));
  }

  /// The level of an instruction that only combines `args`.
  bool combines_rows(const std::vector<int>& args) const {
    bool any = false;
    for (int arg : args) {
      const Instr& in = built_.kernel.body[arg];
      if (!in.row && in.kind != InstrKind::Constant) return false;
      any = any || in.row;
    }
    return any;
  }

  void compute(size_t m) {
    const Member& member = group_.members[m];
    const Node& node = graph_.nodes[member.node];
    if (!node.origin.empty() &&
        std::find(built_.origins.begin(), built_.origins.end(), node.origin) == built_.origins.end())
      built_.origins.push_back(node.origin);
    switch (info(member.op).cls) {
      case OpClass::Elementwise: made_[m] = elementwise(member); break;
      case OpClass::Index: made_[m] = index(member); break;
      case OpClass::Gather: made_[m] = gather(member, node); break;
      case OpClass::Reduce: made_[m] = reduce(member); break;
      case OpClass::Memory: made_[m] = read(member.sources[0]); break;
      case OpClass::Extern: throw Error(Error::Kind::Internal, "a library call in a kernel");
    }
  }

  int elementwise(const Member& member) {
    Instr in;
    in.kind = InstrKind::Elementwise;
    in.op = member.op;
    in.dtype = graph_.value(member.value).dtype;
    const bool product = graph_.nodes[member.node].op == Op::dot_;  // of one term
    for (const Source& source : member.sources)
      in.args.push_back(product ? as_factor(read(source), in.dtype) : read(source));
    return emit_elementwise(std::move(in));
  }

  int emit_elementwise(Instr in) {
    const std::vector<Instr>& body = kernel().body;
    if (in.op == Op::cast_ && body[in.args[0]].dtype == in.dtype) return in.args[0];
    if (std::all_of(in.args.begin(), in.args.end(), [&](int a) { return body[a].kind == InstrKind::Constant; })) {
      std::vector<Scalar> operands;
      operands.reserve(in.args.size());
      for (int arg : in.args) operands.push_back(body[arg].immediate);
      return constant(evaluate(in.op, in.dtype, operands));
    }
    in.row = combines_rows(in.args);
    return emit(std::move(in));
  }

  int index(const Member& member) {
    Instr in;
    in.kind = InstrKind::Index;
    in.dtype = DType::i64;
    in.row = is_row(member.position);
    place(in, member.position);
    return emit(std::move(in));
  }

  int gather(const Member& member, const Node& node) {
    Instr in;
    in.kind = InstrKind::Gather;
    in.indexed = node.indexed;
    const Source& table = member.sources[0];
    for (size_t i = 1; i < member.sources.size(); ++i) {
      Instr wide;
      wide.kind = InstrKind::Elementwise;
      wide.op = Op::cast_;
      wide.dtype = DType::i64;
      wide.args = {read(member.sources[i])};
      in.args.push_back(emit_elementwise(std::move(wide)));
    }
    in.param = param(table.value, false);
    in.dtype = kernel().params[in.param].dtype;
    in.row = is_row(table.map) && std::all_of(in.args.begin(), in.args.end(), [&](int arg) {
               return kernel().body[arg].row || kernel().body[arg].kind == InstrKind::Constant;
             });
    place(in, table.map);
    return emit(std::move(in));
  }

  int reduce(const Member& member) {
    Instr in;
    in.kind = InstrKind::Reduce;
    in.op = member.op;
    in.dtype = graph_.value(member.value).dtype;
    in.row = true;
    for (const Source& source : member.sources) {
      const int arg = as_element(read(source));
      in.args.push_back(in.op == Op::dot_ ? as_factor(arg, in.dtype) : arg);
    }
    return emit(std::move(in));
  }

  void store(size_t m) {
    Instr in;
    in.kind = InstrKind::Store;
    in.args = {made_[m]};
    in.param = param(group_.members[m].value, true);
    in.dtype = kernel().params[in.param].dtype;
    in.row = is_row(group_.members[m].result);
    place(in, group_.members[m].result);
    kernel().body.push_back(std::move(in));
  }

  const Graph& graph_;
  const FusionGroup& group_;
  const std::vector<char>& live_;
  const std::vector<char>& in_memory_;
  Axes axes_;
  BuiltKernel built_;
  std::vector<int> made_;  // by member: the instruction that is its value
  std::unordered_map<Key, int, KeyHash> known_;
  std::unordered_map<int64_t, int> param_of_;
};

}  // namespace

BuiltKernel build_kernel(const Graph& graph, const FusionGroup& group, const std::vector<char>& live,
                         const std::vector<char>& in_memory) {
  return KernelBuilder(graph, group, live, in_memory).run();
}

DType moved_as(DType dtype) {
  if (info(dtype).kind != DTypeKind::Stored) return dtype;
  switch (info(dtype).bytes) {
    case 1: return DType::u8;
    case 2: return DType::i16;
    case 4: return DType::i32;
    default: return DType::i64;
  }
}

Kernel copy_kernel(DType dtype, int64_t length) {
  const DType as = moved_as(dtype);
  Kernel kernel;
  kernel.axes = {length * info(dtype).bytes / info(as).bytes};
  kernel.vector_axis = 0;
  kernel.params = {{as, false}, {as, true}};
  Instr load;
  load.kind = InstrKind::Load;
  load.dtype = as;
  load.param = 0;
  load.strides = {1};
  Instr store = load;
  store.kind = InstrKind::Store;
  store.param = 1;
  store.args = {0};
  kernel.body = {load, store};
  return kernel;
}

}  // namespace braze
