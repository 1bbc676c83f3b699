#include "runtime/launch.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace braze;

namespace {

using Range = std::pair<int64_t, int64_t>;

std::mutex mutex;
std::vector<Range> ranges;  // of points, as the kernel saw them
int64_t bad_point = -1;

int64_t record_range(void* const*, int64_t begin, int64_t end) {
  std::lock_guard lock(mutex);
  ranges.emplace_back(begin, end);
  return begin <= bad_point && bad_point < end ? 2 : 0;
}

/// Cuts into the smallest chunks allowed, each on a thread of its own.
void fake_parallel_for(int64_t begin, int64_t end, int64_t grain, void (*body)(int64_t, int64_t, void*),
                       void* context) {
  std::vector<std::thread> threads;
  for (int64_t at = begin; at < end; at += grain)
    threads.emplace_back([=] { body(at, std::min(end, at + grain), context); });
  for (std::thread& thread : threads) thread.join();
}

/// load, `costly` exps, [a sum,] store over the axes.
Kernel make_kernel(std::vector<int64_t> axes, int reduce_axes, int costly = 0) {
  Kernel kernel;
  kernel.axes = axes;
  kernel.reduce_axes = reduce_axes;
  kernel.vector_axis = static_cast<int>(axes.size()) - 1;
  kernel.params = {{DType::f32, false}, {DType::f32, true}};
  const auto add = [&](InstrKind kind, Op op, bool row) {
    Instr instr;
    instr.kind = kind;
    instr.op = op;
    instr.row = row;
    if (kind == InstrKind::Load || kind == InstrKind::Store) instr.strides = Geometry::contiguous(axes).strides;
    kernel.body.push_back(instr);
  };
  add(InstrKind::Load, Op::add_, false);
  for (int i = 0; i < costly; ++i) add(InstrKind::Elementwise, Op::exp_, false);
  if (reduce_axes) add(InstrKind::Reduce, Op::sum_, true);
  add(InstrKind::Store, Op::add_, reduce_axes > 0);
  return kernel;
}

std::vector<Range> ranges_of(const KernelLaunch& prepared, ParallelFor parallel_for, int64_t expected_status = 0) {
  ranges.clear();
  void* params[2] = {};
  CHECK(launch(prepared, params, parallel_for) == expected_status);
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

/// The ranges must be [0, points) cut without gap or overlap.
void check_covers(const std::vector<Range>& ranges, int64_t points) {
  int64_t at = 0;
  for (const Range& range : ranges) {
    CHECK(range.first == at);
    at = range.second;
  }
  CHECK(at == points);
}

}  // namespace

TEST_CASE("launch: small kernels run in one piece on the calling thread") {
  const KernelLaunch prepared = prepare_launch(make_kernel({1000}, 0), record_range);
  CHECK_FALSE(prepared.parallel);
  CHECK(ranges_of(prepared, fake_parallel_for) == std::vector<Range>{{0, 1000}});
}

TEST_CASE("launch: big pointwise kernels are cut at multiples of 64 points, chunks worth their while") {
  const int64_t points = 1000003;
  const KernelLaunch prepared = prepare_launch(make_kernel({points}, 0), record_range);
  const std::vector<Range> chunks = ranges_of(prepared, fake_parallel_for);
  check_covers(chunks, points);
  CHECK(chunks.size() > 10);
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    CHECK(chunks[i].second % 64 == 0);
    CHECK((chunks[i].second - chunks[i].first) * 8 >= 128 << 10);
  }
  CHECK(ranges_of(prepared, nullptr) == std::vector<Range>{{0, points}});
}

TEST_CASE("launch: costly operations make smaller kernels worth cutting") {
  CHECK_FALSE(prepare_launch(make_kernel({6000}, 0), record_range).parallel);
  CHECK(prepare_launch(make_kernel({6000}, 0, 4), record_range).parallel);
}

TEST_CASE("launch: kernels of many rows are cut between rows") {
  const KernelLaunch prepared = prepare_launch(make_kernel({300, 1000}, 0), record_range);
  const std::vector<Range> chunks = ranges_of(prepared, fake_parallel_for);
  check_covers(chunks, 300000);
  for (const Range& chunk : chunks) CHECK(chunk.first % 1000 == 0);
}

TEST_CASE("launch: the length of rows counts in reductions") {
  CHECK_FALSE(prepare_launch(make_kernel({64, 16}, 1), record_range).parallel);
  const KernelLaunch prepared = prepare_launch(make_kernel({64, 65536}, 1), record_range);
  CHECK(prepared.grain == 1);
  const std::vector<Range> chunks = ranges_of(prepared, fake_parallel_for);
  check_covers(chunks, 64);
  CHECK(chunks.size() == 64);
}

TEST_CASE("launch: a single row and no points at all") {
  CHECK(ranges_of(prepare_launch(make_kernel({100000}, 1), record_range), fake_parallel_for) ==
        std::vector<Range>{{0, 1}});
  CHECK(ranges_of(prepare_launch(make_kernel({0, 7}, 0), record_range), fake_parallel_for).empty());
  CHECK(ranges_of(prepare_launch(make_kernel({5, 0}, 1), record_range), fake_parallel_for) ==
        std::vector<Range>{{0, 5}});
}

TEST_CASE("launch: a parametric kernel is cut as the static one of these sizes") {
  Kernel kernel = make_kernel({300, 1000}, 0, 2);
  kernel.axes = {size_param(0), size_param(1)};
  for (Instr& in : kernel.body)
    if (!in.strides.empty()) in.strides[0] = size_param(1);
  kernel.size_params = 2;
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{300, 1000}, {2, 500000}, {3, 5}}) {
    const KernelLaunch got = prepare_launch(kernel, record_range, sizes);
    const KernelLaunch wanted = prepare_launch(make_kernel(sizes, 0, 2), record_range);
    CHECK(got.points == wanted.points);
    CHECK(got.unit == wanted.unit);
    CHECK(got.grain == wanted.grain);
    CHECK(got.parallel == wanted.parallel);
    check_covers(ranges_of(got, fake_parallel_for), sizes[0] * sizes[1]);
  }
  CHECK_THROWS(prepare_launch(kernel, record_range));
}

TEST_CASE("launch: one chunk's failure is the launch's") {
  bad_point = 500000;
  ranges_of(prepare_launch(make_kernel({1000000}, 0), record_range), fake_parallel_for, 2);
  ranges_of(prepare_launch(make_kernel({1000000}, 0), record_range), nullptr, 2);
  bad_point = -1;
}
