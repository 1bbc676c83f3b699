#include "frontend/call/varying_integers.h"

#include <map>

namespace braze {

std::optional<VaryingIntegers> VaryingIntegers::fit(std::span<const int64_t> a, std::span<const int64_t> b,
                                                    std::span<const int64_t> symbols_a,
                                                    std::span<const int64_t> symbols_b) {
  if (a.size() != b.size()) return std::nullopt;
  VaryingIntegers result;
  std::map<std::pair<int64_t, int64_t>, int> known;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) {
      result.places_.emplace_back(a[i], -1);
      continue;
    }
    auto [at, fresh] = known.try_emplace({a[i], b[i]}, static_cast<int>(result.distinct_.size()));
    if (fresh) {
      auto fitting = fit_candidates(a.subspan(i, 1), b.subspan(i, 1), symbols_a, symbols_b);
      if (!fitting) return std::nullopt;
      result.distinct_.push_back(std::move(fitting->front()));
    }
    result.places_.emplace_back(0, at->second);
  }
  return result;
}

bool VaryingIntegers::narrow(std::span<const int64_t> values, std::span<const int64_t> symbols) {
  if (values.size() != places_.size()) return false;
  VaryingIntegers narrowed;
  std::map<std::pair<int, int64_t>, int> known;  // what was one integer so far may be two
  for (size_t i = 0; i < values.size(); ++i) {
    auto [value, which] = places_[i];
    if (which < 0) {
      if (value != values[i]) return false;
      narrowed.places_.push_back(places_[i]);
      continue;
    }
    auto [at, fresh] = known.try_emplace({which, values[i]}, static_cast<int>(narrowed.distinct_.size()));
    if (fresh) {
      SizeCandidates candidates = distinct_[which];
      if (!candidates.narrow(symbols, values[i])) return false;
      narrowed.distinct_.push_back(std::move(candidates));
    }
    narrowed.places_.emplace_back(0, at->second);
  }
  *this = std::move(narrowed);
  return true;
}

bool VaryingIntegers::are_integers(std::span<const int64_t> symbols) const {
  for (const SizeCandidates& candidates : distinct_)
    if (!candidates.best().evaluate(symbols)) return false;
  return true;
}

bool VaryingIntegers::have_no_fractions() const {
  for (const SizeCandidates& candidates : distinct_)
    if (candidates.best().denominator() != 1) return false;
  return true;
}

std::vector<int64_t> integers_of(const Graph& graph) {
  std::vector<int64_t> integers;
  auto add = [&](const Geometry& geometry) {
    integers.push_back(geometry.offset);
    integers.insert(integers.end(), geometry.sizes.begin(), geometry.sizes.end());
    integers.insert(integers.end(), geometry.strides.begin(), geometry.strides.end());
  };
  for (const Value& value : graph.values) add(value.shape);
  for (const Node& node : graph.nodes) {
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) add(access->geometry);
    for (const ExternArg& arg : node.call.args) {
      if (auto* integer = std::get_if<int64_t>(&arg)) integers.push_back(*integer);
      if (auto* list = std::get_if<std::vector<int64_t>>(&arg))
        integers.insert(integers.end(), list->begin(), list->end());
    }
  }
  return integers;
}

}  // namespace braze
