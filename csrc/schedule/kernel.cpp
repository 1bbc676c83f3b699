// The size of a kernel's iteration space, and the laws every kernel obeys.
#include "schedule/kernel.h"

#include "schedule/kernel_laws.h"
#include "schedule/size_params.h"
#include "support/error.h"

namespace braze {

int64_t Kernel::parallel_points(std::span<const int64_t> sizes) const {
  int64_t points = 1;
  for (int a = 0; a < parallel_axes(); ++a) points *= value_of(axes[a], sizes);
  return points;
}

int64_t Kernel::reduce_points(std::span<const int64_t> sizes) const {
  int64_t points = 1;
  for (size_t a = parallel_axes(); a < axes.size(); ++a) points *= value_of(axes[a], sizes);
  return points;
}

void verify(const Kernel& kernel) {
  if (auto broken = broken_law(kernel)) throw Error(Error::Kind::Internal, broken->message + "\n" + print(kernel));
}

}  // namespace braze
