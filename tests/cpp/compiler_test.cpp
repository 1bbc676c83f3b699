#include "compiler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "graph/parse.h"
#include "runtime/launch.h"
#include "runtime/temporary_folder.h"
#include "support/error.h"

using namespace braze;

namespace {

int64_t run_nothing(void* const*, int64_t, int64_t) { return 0; }

/// Every binary is the text it came from, and every kernel does nothing.
class EchoBackend : public Backend {
 public:
  struct Code : LoadedCode {
    KernelFn find(const std::string&) const override { return run_nothing; }
  };
  std::string_view name() const override { return "echo"; }
  std::string target(const CodegenOptions&) const override { return "any"; }
  Binary compile(const std::vector<NamedKernel>& kernels, const CodegenOptions&, std::string* dump) const override {
    if (dump) *dump = "listing of " + kernels[0].name;
    return kernels[0].text;
  }
  std::shared_ptr<LoadedCode> load(const Binary&) const override { return std::make_shared<Code>(); }
};

const char* const kChain = R"(graph
inputs %0: f32[64:1], %1: f32[64:1]
%2: f32[8,8:8,1] = add %0[8,8:8,1], %1[8,8:8,1]
%3: f32[8,8:8,1] = exp %2[8,8:8,1]
%4: f32[8,8:8,1] = extern aten::mm.default($0, $1) returns(0) of %3[8,8:8,1], %1[8,8:8,1]
%5: f32[8,8:8,1] = mul %4[8,8:8,1], 0x1p+1:f32
outputs %5
)";

bool no_out_variant(const ExternCall&) { return false; }

Options quiet_options() {
  Options options;
  options.dump = "";
  return options;
}

}  // namespace

TEST_CASE("compiler: a graph becomes steps with code, and the second time all code is there") {
  EchoBackend backend;
  KernelCache kernels(backend, nullptr);
  const CompiledPlan first = compile(parse_graph(kChain), quiet_options(), no_out_variant, kernels);
  REQUIRE(first.kernels.size() == first.plan.kernels.size());
  CHECK(first.plan.steps.size() == 3);
  CHECK(first.record.kernels_compiled == static_cast<int>(first.kernels.size()));
  CHECK(first.record.total_ms >= first.record.codegen_ms);
  CHECK_FALSE(first.record.passes.empty());
  for (const FoundKernel& found : first.kernels) CHECK(found.kernel->run != nullptr);

  const CompiledPlan second = compile(parse_graph(kChain), quiet_options(), no_out_variant, kernels);
  CHECK(second.record.kernels_compiled == 0);
  CHECK(second.record.kernels_from_memory == static_cast<int>(second.kernels.size()));
}

TEST_CASE("compiler: a parametric plan has code once for all its instances") {
  EchoBackend backend;
  KernelCache kernels(backend, nullptr);
  const auto flat = [](int64_t n) {
    const std::string length = std::to_string(n);
    return parse_graph("graph\ninputs %0: f32[" + length + ":1]\n%1: f32[" + length + ":1] = exp %0[" + length +
                       ":1]\noutputs %1\n");
  };
  const std::vector<int64_t> a = {30}, b = {50};
  auto plan = unify(schedule(flat(30), no_out_variant), schedule(flat(50), no_out_variant), a, b);
  REQUIRE(plan);
  const CompiledParametricPlan compiled = compile(std::move(*plan), quiet_options(), kernels);
  REQUIRE(compiled.kernels.size() == 1);
  CHECK(compiled.record.kernels_compiled == 1);
  for (int64_t n : {2, 1000}) {
    const auto instance = instantiate(compiled.plan, std::vector<int64_t>{n});
    REQUIRE(instance);
    const auto& step = std::get<KernelStep>(instance->plan.steps[0]);
    const KernelLaunch launch = prepare_launch(instance->plan.kernels[step.kernel],
                                               compiled.kernels[step.kernel].kernel->run, instance->step_sizes[0]);
    CHECK(launch.points == n);
  }
}

TEST_CASE("compiler: a broken graph is an internal error") {
  EchoBackend backend;
  KernelCache kernels(backend, nullptr);
  Graph graph = parse_graph(kChain);
  std::swap(graph.nodes.front(), graph.nodes.back());
  try {
    compile(graph, quiet_options(), no_out_variant, kernels);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::Internal);
  }
}

TEST_CASE("compiler: a dump has each stage in a folder of its own") {
  EchoBackend backend;
  KernelCache kernels(backend, nullptr);
  TemporaryFolder temporary;
  Options options;
  options.dump = temporary / "dumps";
  compile(parse_graph(kChain), options, no_out_variant, kernels);
  compile(parse_graph(kChain), options, no_out_variant, kernels);
  const std::vector<std::string> folders = names_in(options.dump);
  REQUIRE(folders.size() == 2);
  std::vector<std::string> files = names_in(options.dump + "/" + folders[0]);
  std::sort(files.begin(), files.end());
  CHECK(files.front() == "00_captured.graph");
  const auto has = [&](const std::string& part) {
    return std::any_of(files.begin(), files.end(),
                       [&](const std::string& name) { return name.find(part) != std::string::npos; });
  };
  CHECK(has("plan.txt"));
  CHECK(has("kernel_0.loop"));
  CHECK(has(".code"));
  CHECK(read_whole(options.dump + "/" + folders[0] + "/" + files.back()).starts_with("listing of braze_"));

  options.dump = "/proc/braze";
  CHECK_FALSE(compile(parse_graph(kChain), options, no_out_variant, kernels).kernels.empty());
}
