// Polynomials of sizes, and finding the one that fits: every small form is tried, and the simplest come first.
#include "schedule/size_expr.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>

#include "support/error.h"

namespace braze {
namespace {

using Wide = __int128;
using Product = SizeExpr::Product;

constexpr Product kOne = {-1, -1, -1};
constexpr int64_t kLargestDenominator = 64;
constexpr int64_t kLargestCoefficient = int64_t{1} << 40;
constexpr int64_t kLargestSymbol = int64_t{1} << 28;  // its cube times a coefficient fits in 128 bits
constexpr int64_t kLargestValue = int64_t{1} << 60;
constexpr int kFarthestShift = 4;  // in products of shifted symbols, (s0 + 1)*(s0 + 1)
constexpr size_t kMostCandidates = 32;
constexpr int kSum = 1000;  // what a sum has over a product in complexity

Wide gcd(Wide a, Wide b) {
  while (b != 0) std::swap(a %= b, b);
  return a < 0 ? -a : a;
}

Product of_one(int i) { return {-1, -1, i}; }
Product of_two(int i, int j) { return {-1, std::min(i, j), std::max(i, j)}; }

/// One symbol more.
Product times(Product product, int symbol) {
  if (symbol < 0) return product;
  product[0] = symbol;
  std::sort(product.begin(), product.end());
  return product;
}

Wide value_of(const Product& product, std::span<const int64_t> symbols) {
  Wide value = 1;
  for (int symbol : product)
    if (symbol >= 0) value *= symbols[symbol];
  return value;
}

/// A number of the form numerator / denominator, that a coefficient can be.
struct Ratio {
  int64_t numerator = 0, denominator = 1;
};

std::optional<Ratio> ratio(Wide numerator, Wide denominator) {
  if (denominator == 0) return std::nullopt;
  if (denominator < 0) numerator = -numerator, denominator = -denominator;
  const Wide common = gcd(numerator, denominator);
  numerator /= common, denominator /= common;
  if (denominator > kLargestDenominator || numerator > kLargestCoefficient || numerator < -kLargestCoefficient)
    return std::nullopt;
  return Ratio{static_cast<int64_t>(numerator), static_cast<int64_t>(denominator)};
}

/// The sum of products, each with a coefficient.
std::optional<SizeExpr> sum_of(const std::vector<std::pair<Product, Ratio>>& parts) {
  int64_t denominator = 1;
  for (const auto& part : parts) denominator = std::lcm(denominator, part.second.denominator);
  if (denominator > kLargestDenominator) return std::nullopt;
  std::vector<SizeExpr::Term> terms;
  terms.reserve(parts.size());
  for (const auto& [product, factor] : parts)
    terms.push_back({factor.numerator * (denominator / factor.denominator), product});
  return SizeExpr(terms, denominator);
}

int bits(int64_t n) {
  int count = 0;
  for (uint64_t rest = static_cast<uint64_t>(std::llabs(n)); rest > 0; rest /= 2) ++count;
  return count;
}

/// How much there is to a coefficient; 0 for 1.
int cost_of(int64_t n) { return n == 0 ? 0 : bits(n) - 1 + (n < 0 ? 2 : 0); }

/// How much there is to an expression. One product is simpler than any sum; what all coefficients share counts once.
int complexity(const SizeExpr& expr) {
  int64_t common = 0;
  for (const SizeExpr::Term& term : expr.terms()) common = std::gcd(common, term.coefficient);
  int total = (expr.terms().size() > 1 ? kSum : 0) + cost_of(common) + 4 * cost_of(expr.denominator());
  for (const SizeExpr::Term& term : expr.terms()) total += 2 + 2 * term.degree() + cost_of(term.coefficient / common);
  return total;
}

class Fitter {
 public:
  explicit Fitter(std::span<const SizeSample> samples) : samples_(samples), a_(samples[0]), b_(samples[0]) {
    for (const SizeSample& sample : samples) {
      check_internal(sample.symbols.size() == a_.symbols.size(), "samples with different numbers of symbols");
      if (!std::equal(sample.symbols.begin(), sample.symbols.end(), a_.symbols.begin())) b_ = sample;
    }
  }

  std::vector<SizeExpr> run() {
    if (!in_range()) return {};
    if (fits(SizeExpr::constant(a_.value))) return {SizeExpr::constant(a_.value)};
    const int symbols = static_cast<int>(a_.symbols.size());
    std::vector<Product> products = {kOne};
    for (int i = 0; i < symbols; ++i) products.push_back(of_one(i));
    for (int i = 0; i < symbols; ++i)
      for (int j = i; j < symbols; ++j) products.push_back(of_two(i, j));
    for (int i = 0; i < symbols; ++i)  // cubes are not among the things tensors have
      for (int j = i; j < symbols; ++j)
        for (int k = std::max(j, i + 1); k < symbols; ++k) products.push_back({i, j, k});
    for (size_t p = 0; p < products.size(); ++p) {
      try_product(products[p]);
      for (size_t q = 0; q < p; ++q) try_two(products[p], products[q]);
    }
    for (int i = 0; i < symbols; ++i)
      for (int j = i; j < symbols; ++j) {
        for (int k = -1; k < symbols; ++k) try_shifted(i, j, k);
        if (i == j) continue;
        try_sum({i, j});
        for (int k = j + 1; k < symbols; ++k) try_sum({i, j, k});
      }
    std::stable_sort(found_.begin(), found_.end(), [](const Found& x, const Found& y) { return x.cost < y.cost; });
    std::vector<SizeExpr> exprs;
    for (const Found& found : found_)
      if (exprs.size() < kMostCandidates && std::find(exprs.begin(), exprs.end(), found.expr) == exprs.end())
        exprs.push_back(found.expr);
    return exprs;
  }

 private:
  bool in_range() const {
    for (const SizeSample& sample : samples_) {
      if (sample.value > kLargestValue || sample.value < -kLargestValue) return false;
      for (int64_t symbol : sample.symbols)
        if (symbol < 0 || symbol > kLargestSymbol) return false;
    }
    return true;
  }

  bool fits(const SizeExpr& expr) const {
    return std::all_of(samples_.begin(), samples_.end(),
                       [&](const SizeSample& s) { return expr.evaluate(s.symbols) == s.value; });
  }

  void add(const std::optional<SizeExpr>& expr) {
    if (expr && fits(*expr)) found_.push_back({complexity(*expr), *expr});
  }

  void try_product(const Product& product) {
    if (auto factor = ratio(a_.value, value_of(product, a_.symbols))) add(sum_of({{product, *factor}}));
  }

  void try_two(const Product& p, const Product& q) {
    const Wide pa = value_of(p, a_.symbols), pb = value_of(p, b_.symbols);
    const Wide qa = value_of(q, a_.symbols), qb = value_of(q, b_.symbols);
    Wide determinant = 0, first = 0, second = 0;
    auto minus = [](Wide x, Wide y, Wide z, Wide w, Wide& result) {
      Wide xy, zw;
      return !__builtin_mul_overflow(x, y, &xy) && !__builtin_mul_overflow(z, w, &zw) &&
             !__builtin_sub_overflow(xy, zw, &result);
    };
    if (!minus(pa, qb, pb, qa, determinant) || !minus(a_.value, qb, b_.value, qa, first) ||
        !minus(pa, b_.value, pb, a_.value, second))
      return;
    auto x = ratio(first, determinant), y = ratio(second, determinant);
    if (x && y) add(sum_of({{p, *x}, {q, *y}}));
  }

  /// factor * (sum of symbols) + rest
  void try_sum(const std::vector<int>& symbols) {
    Wide at_a = 0, at_b = 0;
    for (int symbol : symbols) at_a += a_.symbols[symbol], at_b += b_.symbols[symbol];
    auto factor = ratio(static_cast<Wide>(b_.value) - a_.value, at_b - at_a);
    if (!factor) return;
    auto rest =
        ratio(a_.value * static_cast<Wide>(factor->denominator) - factor->numerator * at_a, factor->denominator);
    if (!rest) return;
    std::vector<std::pair<Product, Ratio>> parts = {{kOne, *rest}};
    for (int symbol : symbols) parts.push_back({of_one(symbol), *factor});
    add(sum_of(parts));
  }

  /// factor * (s_i + x) * (s_j + y), perhaps times s_k
  void try_shifted(int i, int j, int k) {
    const Product outer = times(kOne, k);
    const Wide outer_a = value_of(outer, a_.symbols), outer_b = value_of(outer, b_.symbols);
    for (int x = -kFarthestShift; x <= kFarthestShift; ++x)
      for (int y = i == j ? x : -kFarthestShift; y <= kFarthestShift; ++y) {
        if (x == 0 && y == 0) continue;
        const Wide at_a = outer_a * (a_.symbols[i] + x) * (a_.symbols[j] + y);
        const Wide at_b = outer_b * (b_.symbols[i] + x) * (b_.symbols[j] + y);
        auto factor = ratio(a_.value, at_a);
        if (!factor || factor->numerator * at_b != static_cast<Wide>(b_.value) * factor->denominator) continue;
        auto scaled = [&](int64_t n) { return Ratio{factor->numerator * n, factor->denominator}; };
        auto expr = sum_of({{times(of_two(i, j), k), *factor},
                            {times(of_one(i), k), scaled(y)},
                            {times(of_one(j), k), scaled(x)},
                            {outer, scaled(x * y)}});
        if (!expr || !fits(*expr)) continue;
        int cost = kSum + complexity(*sum_of({{times(of_two(i, j), k), *factor}}));
        for (int shift : {x, y}) cost += shift != 0 ? 2 + cost_of(shift) : 0;
        found_.push_back({cost, *expr});
      }
  }

  struct Found {
    int cost = 0;
    SizeExpr expr;
  };

  std::span<const SizeSample> samples_;
  SizeSample a_, b_;
  std::vector<Found> found_;
};

std::string print(const SizeExpr::Term& term) {
  std::string text;
  for (int symbol : term.symbols)
    if (symbol >= 0) text += (text.empty() ? "s" : "*s") + std::to_string(symbol);
  const int64_t size = std::llabs(term.coefficient);
  if (text.empty()) return std::to_string(size);
  return size == 1 ? text : std::to_string(size) + "*" + text;
}

}  // namespace

SizeExpr::SizeExpr(const std::vector<Term>& terms, int64_t denominator) : denominator_(denominator) {
  check_internal(denominator > 0, "the denominator of a size is not positive");
  std::map<Product, int64_t> sum;
  for (const Term& term : terms) sum[term.symbols] += term.coefficient;
  int64_t common = denominator;
  for (const auto& [symbols, coefficient] : sum) common = std::gcd(common, coefficient);
  denominator_ /= common;
  for (const auto& [symbols, coefficient] : sum)
    if (coefficient != 0) terms_.push_back({coefficient / common, symbols});
  std::stable_sort(terms_.begin(), terms_.end(), [](const Term& x, const Term& y) { return x.degree() > y.degree(); });
}

SizeExpr SizeExpr::constant(int64_t value) { return {{{value, kOne}}, 1}; }
SizeExpr SizeExpr::symbol(int position) { return {{{1, of_one(position)}}, 1}; }

std::optional<int64_t> SizeExpr::evaluate(std::span<const int64_t> symbols) const {
  Wide total = 0;
  for (const Term& term : terms_) {
    Wide value = term.coefficient;
    for (int symbol : term.symbols) {
      if (symbol < 0) continue;
      check_internal(static_cast<size_t>(symbol) < symbols.size(), "a size of a symbol that is not there");
      if (__builtin_mul_overflow(value, static_cast<Wide>(symbols[symbol]), &value)) return std::nullopt;
    }
    if (__builtin_add_overflow(total, value, &total)) return std::nullopt;
  }
  if (total % denominator_ != 0) return std::nullopt;
  total /= denominator_;
  if (total > std::numeric_limits<int64_t>::max() || total < std::numeric_limits<int64_t>::min()) return std::nullopt;
  return static_cast<int64_t>(total);
}

std::string print(const SizeExpr& expr) {
  std::string text;
  for (const SizeExpr::Term& term : expr.terms()) {
    const bool negative = term.coefficient < 0;
    text += text.empty() ? (negative ? "-" : "") : negative ? " - " : " + ";
    text += print(term);
  }
  if (text.empty()) return "0";
  if (expr.denominator() == 1) return text;
  if (expr.terms().size() > 1) text = "(" + text + ")";
  return text + "/" + std::to_string(expr.denominator());
}

std::vector<SizeExpr> fit(std::span<const SizeSample> samples) {
  check_internal(samples.size() >= 2, "an expression is fitted to two samples or more");
  return Fitter(samples).run();
}

std::optional<std::vector<SizeCandidates>> fit_candidates(std::span<const int64_t> a, std::span<const int64_t> b,
                                                          std::span<const int64_t> symbols_a,
                                                          std::span<const int64_t> symbols_b) {
  if (a.size() != b.size()) return std::nullopt;
  std::map<std::pair<int64_t, int64_t>, SizeCandidates> known;
  std::vector<SizeCandidates> all;
  for (size_t i = 0; i < a.size(); ++i) {
    auto [at, fresh] = known.try_emplace({a[i], b[i]});
    if (fresh) {
      std::vector<SizeExpr> exprs = fit(std::vector<SizeSample>{{symbols_a, a[i]}, {symbols_b, b[i]}});
      if (exprs.empty()) return std::nullopt;
      at->second = SizeCandidates(std::move(exprs));
    }
    all.push_back(at->second);
  }
  return all;
}

std::optional<std::vector<SizeExpr>> fit_all(std::span<const int64_t> a, std::span<const int64_t> b,
                                             std::span<const int64_t> symbols_a, std::span<const int64_t> symbols_b) {
  auto candidates = fit_candidates(a, b, symbols_a, symbols_b);
  if (!candidates) return std::nullopt;
  std::vector<SizeExpr> exprs;
  for (const SizeCandidates& one : *candidates) exprs.push_back(one.best());
  return exprs;
}

bool SizeCandidates::narrow(std::span<const int64_t> symbols, int64_t value) {
  std::erase_if(exprs_, [&](const SizeExpr& expr) { return expr.evaluate(symbols) != value; });
  return !exprs_.empty();
}

bool narrow_all(std::vector<SizeCandidates>& candidates, std::span<const int64_t> values,
                std::span<const int64_t> symbols) {
  if (candidates.size() != values.size()) return false;
  bool fit = true;
  for (size_t i = 0; i < values.size(); ++i) fit = candidates[i].narrow(symbols, values[i]) && fit;
  return fit;
}

std::optional<std::vector<int64_t>> evaluate_all(const std::vector<SizeCandidates>& candidates,
                                                 std::span<const int64_t> symbols) {
  std::vector<int64_t> values;
  for (const SizeCandidates& one : candidates) {
    auto value = one.best().evaluate(symbols);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

}  // namespace braze
