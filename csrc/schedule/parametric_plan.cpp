// Unifying plans, proving the result by another one, and making instances.
#include "schedule/parametric_plan.h"

#include <algorithm>
#include <map>
#include <string>

#include "schedule/parametric_kernel.h"
#include "schedule/plan_integers.h"
#include "schedule/size_params.h"

namespace braze {
namespace {

constexpr int64_t kLargest = int64_t{1} << 48;  // no count of a machine's memory comes near it

// Structure: all of a plan that is no integer

bool same_place(const BufferRef& a, const BufferRef& b) {
  const bool in_arena = a.kind == BufferRef::Kind::Arena;  // the offset follows from the layout
  return a.kind == b.kind && a.index == b.index && (in_arena || a.offset == b.offset);
}

bool same_tensors(const std::vector<ExternTensor>& a, const std::vector<ExternTensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ExternTensor& x, const ExternTensor& y) {
    return same_place(x.buffer, y.buffer) && x.dtype == y.dtype && x.geometry.sizes.size() == y.geometry.sizes.size() &&
           x.geometry.strides.size() == y.geometry.strides.size();
  });
}

bool same_argument(const ExternArg& a, const ExternArg& b) {
  if (a.index() != b.index()) return false;
  if (std::holds_alternative<int64_t>(a)) return true;
  if (auto* list = std::get_if<std::vector<int64_t>>(&a))
    return list->size() == std::get<std::vector<int64_t>>(b).size();
  return a == b;
}

bool same_call(const ExternCall& a, const ExternCall& b) {
  return a.op == b.op && a.overload == b.overload && a.mutates == b.mutates && a.returns == b.returns &&
         std::equal(a.args.begin(), a.args.end(), b.args.begin(), b.args.end(), same_argument);
}

bool same_step(const Step& a, const Step& b) {
  if (a.index() != b.index()) return false;
  if (auto* kernel = std::get_if<KernelStep>(&a)) {
    const auto& other = std::get<KernelStep>(b).params;
    return std::equal(kernel->params.begin(), kernel->params.end(), other.begin(), other.end(), same_place);
  }
  const auto &x = std::get<ExternStep>(a), &y = std::get<ExternStep>(b);
  return same_call(x.call, y.call) && same_tensors(x.operands, y.operands) && same_tensors(x.results, y.results) &&
         x.into_results == y.into_results && x.release == y.release;
}

bool same_structure(const Plan& a, const Plan& b) {
  auto all = [](const auto& x, const auto& y, auto same) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same);
  };
  auto same_output = [](const OutputBuffer& x, const OutputBuffer& y) {
    return x.dtype == y.dtype && x.owned == y.owned && x.shape.sizes.size() == y.shape.sizes.size() &&
           x.shape.strides.size() == y.shape.strides.size();
  };
  return a.owned_slots == b.owned_slots && all(a.steps, b.steps, same_step) &&
         all(a.inputs, b.inputs, [](auto& x, auto& y) { return x.dtype == y.dtype; }) &&
         all(a.outputs, b.outputs, same_output) &&
         all(a.arena, b.arena, [](auto& x, auto& y) { return x.start == y.start && x.end == y.end; });
}

std::vector<std::pair<int64_t, PlanInteger>> integers_of(const Plan& plan) {
  std::vector<std::pair<int64_t, PlanInteger>> all;
  visit_integers(plan, [&](int64_t integer, PlanInteger kind) { all.push_back({integer, kind}); });
  return all;
}

class PlanUnifier {
 public:
  PlanUnifier(const Plan& a, const Plan& b, std::span<const int64_t> symbols_a, std::span<const int64_t> symbols_b)
      : a_(a), b_(b), symbols_a_(symbols_a), symbols_b_(symbols_b) {}

  std::optional<ParametricPlan> run() {
    if (!same_structure(a_, b_)) return std::nullopt;
    result_.plan = a_;
    result_.plan.kernels.clear();
    join_integers();
    for (size_t s = 0; s < a_.steps.size() && fits_; ++s) {
      result_.step_sizes.emplace_back();
      if (auto* step = std::get_if<KernelStep>(&result_.plan.steps[s]))
        join_kernels(*step, std::get<KernelStep>(b_.steps[s]).kernel);
    }
    if (!fits_) return std::nullopt;
    return std::move(result_);
  }

 private:
  /// The position in `varies` of what is `a` in one plan and `b` in the other.
  int varies(int64_t a, int64_t b) {
    auto [at, fresh] = known_.try_emplace({a, b}, static_cast<int>(result_.varies.size()));
    if (!fresh) return at->second;
    std::vector<SizeExpr> exprs = fit(std::vector<SizeSample>{{symbols_a_, a}, {symbols_b_, b}});
    fits_ = fits_ && !exprs.empty();
    result_.varies.emplace_back(std::move(exprs));
    return at->second;
  }

  void join_integers() {
    const auto in_a = integers_of(a_), in_b = integers_of(b_);
    for (size_t i = 0; i < in_a.size() && fits_; ++i) {
      const auto [a, kind] = in_a[i];
      const int64_t b = in_b[i].first;
      if (a == b) continue;
      if (kind == PlanInteger::Size && std::min(a, b) < 2) fits_ = false;
      result_.places.push_back({static_cast<int>(i), varies(a, b)});
    }
  }

  void join_kernels(KernelStep& step, int kernel_b) {
    auto [at, fresh] = joined_.try_emplace({step.kernel, kernel_b});
    Joined& joined = at->second;
    if (fresh) {
      auto unified = unify_kernels(a_.kernels[step.kernel], b_.kernels[kernel_b]);
      if (!unified) {
        fits_ = false;
        return;
      }
      for (auto [in_a, in_b] : unified->sizes) joined.sizes.push_back(varies(in_a, in_b));
      auto [same, is_new] =
          kernel_of_text_.try_emplace(print(unified->kernel), static_cast<int>(result_.plan.kernels.size()));
      if (is_new) {
        verify(unified->kernel);
        result_.plan.kernels.push_back(std::move(unified->kernel));
      }
      joined.kernel = same->second;
    }
    step.kernel = joined.kernel;
    result_.step_sizes.back() = joined.sizes;
  }

  struct Joined {
    int kernel = 0;
    std::vector<int> sizes;
  };

  const Plan &a_, &b_;
  const std::span<const int64_t> symbols_a_, symbols_b_;
  bool fits_ = true;
  ParametricPlan result_;
  std::map<std::pair<int64_t, int64_t>, int> known_;
  std::map<std::pair<int, int>, Joined> joined_;  // by the kernels' positions in the plans
  std::map<std::string, int> kernel_of_text_;
};

/// The integers that vary, each narrowed by its value in one more plan. What was one integer so far may turn out to be
/// several.
class Narrowing {
 public:
  Narrowing(const ParametricPlan& plan, std::span<const int64_t> symbols) : plan_(plan), symbols_(symbols) {}

  bool add(int& varies, int64_t value) {
    auto [at, fresh] = known_.try_emplace({varies, value}, static_cast<int>(result.size()));
    if (fresh) result.push_back(plan_.varies[varies]);
    varies = at->second;
    return !fresh || result.back().narrow(symbols_, value);
  }

  std::vector<SizeCandidates> result;

 private:
  const ParametricPlan& plan_;
  const std::span<const int64_t> symbols_;
  std::map<std::pair<int, int64_t>, int> known_;
};

// Instances

/// The bytes at a place; nothing when only the step that fills it knows.
std::optional<int64_t> bytes_at(const Plan& plan, const BufferRef& place) {
  switch (place.kind) {
    case BufferRef::Kind::Input: {
      const InputBuffer& input = plan.inputs[place.index];
      return input.length * info(input.dtype).bytes - place.offset;
    }
    case BufferRef::Kind::Output: {
      const OutputBuffer& output = plan.outputs[place.index];
      return output.length * info(output.dtype).bytes - place.offset;
    }
    case BufferRef::Kind::Arena: return place.index < 0 ? 0 : plan.arena[place.index].bytes;
    case BufferRef::Kind::Owned: break;
  }
  return std::nullopt;
}

bool reaches_inside(const Plan& plan, const KernelStep& step, std::span<const int64_t> sizes) {
  const Kernel& kernel = plan.kernels[step.kernel];
  for (const Instr& in : kernel.body) {
    if (in.param < 0) continue;
    auto room = bytes_at(plan, step.params[in.param]);
    if (!room) continue;
    __int128 last = value_of(in.offset, sizes);
    for (size_t a = 0; a < in.strides.size(); ++a)
      last += static_cast<__int128>(value_of(in.strides[a], sizes)) * (value_of(kernel.axes[a], sizes) - 1);
    for (const IndexedDim& dim : in.indexed)
      last += static_cast<__int128>(value_of(dim.stride, sizes)) * std::max<int64_t>(value_of(dim.size, sizes) - 1, 0);
    if ((last + 1) * info(in.dtype).bytes > *room) return false;
  }
  return true;
}

bool reaches_inside(const Plan& plan, const ExternTensor& tensor) {
  auto room = bytes_at(plan, tensor.buffer);
  const Geometry& g = tensor.geometry;
  __int128 end = g.offset + 1;
  for (size_t d = 0; d < g.sizes.size(); ++d) {
    if (g.sizes[d] == 0) return true;
    end += static_cast<__int128>(g.sizes[d] - 1) * g.strides[d];
  }
  return !room || end * info(tensor.dtype).bytes <= *room;
}

bool reaches_inside(const Plan& plan, const ExternStep& step) {
  auto inside = [&](const ExternTensor& tensor) { return reaches_inside(plan, tensor); };
  return std::all_of(step.operands.begin(), step.operands.end(), inside) &&
         (!step.into_results || std::all_of(step.results.begin(), step.results.end(), inside));
}

void follow_arena(Plan& plan) {
  plan.arena_bytes = lay_out_arena(plan.arena);
  auto follow = [&](BufferRef& place) {
    if (place.kind == BufferRef::Kind::Arena && place.index >= 0) place.offset = plan.arena[place.index].offset;
  };
  for (Step& step : plan.steps) {
    if (auto* kernel = std::get_if<KernelStep>(&step)) {
      for (BufferRef& place : kernel->params) follow(place);
      continue;
    }
    auto& call = std::get<ExternStep>(step);
    for (ExternTensor& operand : call.operands) follow(operand.buffer);
    for (ExternTensor& result : call.results) follow(result.buffer);
  }
}

/// Puts the values of what varies in its places; false when a size or a count cannot be what it would be.
bool put_values(const ParametricPlan& from, const std::vector<int64_t>& values, Plan& plan) {
  int at = 0;
  bool good = true;
  auto place = from.places.begin();
  visit_integers(plan, [&](int64_t& integer, PlanInteger kind) {
    const int here = at++;
    if (place == from.places.end() || place->integer != here) return;
    integer = values[(place++)->varies];
    if (kind == PlanInteger::Other) return;
    good = good && integer >= (kind == PlanInteger::Size ? 2 : 0) && integer <= kLargest;
  });
  return good;
}

}  // namespace

std::optional<ParametricPlan> unify(const Plan& a, const Plan& b, std::span<const int64_t> symbols_a,
                                    std::span<const int64_t> symbols_b) {
  return PlanUnifier(a, b, symbols_a, symbols_b).run();
}

bool agrees(ParametricPlan& plan, const Plan& c, std::span<const int64_t> symbols_c) {
  if (!same_structure(plan.plan, c)) return false;
  Narrowing narrowing(plan, symbols_c);
  const auto before = integers_of(plan.plan), now = integers_of(c);
  std::vector<ParametricPlan::Place> places = plan.places;
  auto place = places.begin();
  for (size_t i = 0; i < now.size(); ++i) {
    const bool varies = place != places.end() && place->integer == static_cast<int>(i);
    if (varies ? !narrowing.add((place++)->varies, now[i].first) : before[i].first != now[i].first) return false;
  }
  std::vector<std::vector<int>> step_sizes = plan.step_sizes;
  for (size_t s = 0; s < step_sizes.size(); ++s) {
    auto* step = std::get_if<KernelStep>(&plan.plan.steps[s]);
    if (!step) continue;
    auto sizes = sizes_that_match(plan.plan.kernels[step->kernel], c.kernels[std::get<KernelStep>(c.steps[s]).kernel]);
    if (!sizes) return false;
    for (size_t k = 0; k < sizes->size(); ++k)
      if (!narrowing.add(step_sizes[s][k], (*sizes)[k])) return false;
  }
  plan.varies = std::move(narrowing.result);
  plan.places = std::move(places);
  plan.step_sizes = std::move(step_sizes);
  return true;
}

std::optional<PlanInstance> instantiate(const ParametricPlan& plan, std::span<const int64_t> symbols) {
  auto values = evaluate_all(plan.varies, symbols);
  if (!values) return std::nullopt;
  PlanInstance instance{plan.plan, {}};
  if (!put_values(plan, *values, instance.plan)) return std::nullopt;
  follow_arena(instance.plan);
  for (size_t s = 0; s < plan.step_sizes.size(); ++s) {
    std::vector<int64_t>& sizes = instance.step_sizes.emplace_back();
    for (int varies : plan.step_sizes[s]) sizes.push_back((*values)[varies]);
    if (auto* step = std::get_if<KernelStep>(&instance.plan.steps[s])) {
      if (!allows(instance.plan.kernels[step->kernel], sizes)) return std::nullopt;
      if (!reaches_inside(instance.plan, *step, sizes)) return std::nullopt;
    } else if (!reaches_inside(instance.plan, std::get<ExternStep>(instance.plan.steps[s]))) {
      return std::nullopt;
    }
  }
  return instance;
}

}  // namespace braze
