#include "backends/reference/attend.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/evaluate.h"

namespace braze {

Scalar attend(const AttendedPoint& point) {
  std::vector<double> scores;
  double largest = -INFINITY;
  for (int64_t key = 0; key < std::min(point.keys, point.visible); ++key) {
    double product = 0;
    for (int64_t d = 0; d < point.depth; ++d) product += point.element(0, key, d) * point.element(1, key, d);
    scores.push_back(product * point.element(4, key, 0) + point.element(3, key, 0));
    largest = std::isnan(scores.back()) ? scores.back() : std::max(largest, scores.back());
  }
  if (largest == -INFINITY) return Scalar::of_double(DType::f32, 0);
  double total = 0, sum = 0;
  for (size_t key = 0; key < scores.size(); ++key) {
    const double weight = std::exp(scores[key] - largest);
    total += weight;
    sum += weight * point.element(2, static_cast<int64_t>(key), 0);
  }
  return convert(Scalar::of_double(DType::f64, sum / total), DType::f32);
}

}  // namespace braze
