// Runs the passes of passes.def: times each, verifies the graph after a change, keeps its text when asked.
#include <algorithm>
#include <chrono>

#include "graph/print.h"
#include "graph/verify.h"
#include "passes/pass.h"
#include "support/error.h"

namespace braze {
namespace {

struct PassRow {
  const char* name;
  bool (*run)(Graph&);
};

constexpr PassRow kPasses[] = {
#define PASS(name, help) {#name, name},
#include "passes/passes.def"
#undef PASS
};

bool is_pass(const std::string& name) {
  return std::any_of(std::begin(kPasses), std::end(kPasses), [&](const PassRow& row) { return name == row.name; });
}

void verify_after(const Graph& graph, const char* pass) {
  try {
    verify(graph);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string("after pass ") + pass + ": " + error.what());
  }
}

}  // namespace

std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& disabled, bool keep_text) {
  using Clock = std::chrono::steady_clock;
  std::vector<PassRecord> records;
  for (const std::string& name : disabled) check_user(is_pass(name), "no pass is called \"" + name + "\"");
  for (const PassRow& pass : kPasses) {
    if (std::find(disabled.begin(), disabled.end(), pass.name) != disabled.end()) continue;
    const auto start = Clock::now();
    PassRecord record;
    record.name = pass.name;
    record.changed = pass.run(graph);
    record.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (record.changed) verify_after(graph, pass.name);
    if (record.changed && keep_text) record.graph_after = print(graph);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace braze
