// BRAZE_DUMP: what every stage of a compilation made, as numbered text files in a folder of its own below the one asked
// for.
#pragma once

#include <string>
#include <vector>

#include "backends/backend.h"
#include "graph/graph.h"
#include "passes/pass.h"
#include "runtime/kernel_cache.h"
#include "schedule/plan.h"

namespace braze {

class CompileDump {
 public:
  /// An empty directory: nothing is written. A folder that cannot be written is logged and costs nothing else.
  explicit CompileDump(const std::string& directory);

  bool on() const { return !folder_.empty(); }
  void graph(const Graph& graph);
  void passes(const std::vector<PassRecord>& passes);
  void plan(const Plan& plan);
  /// Generates the code once more, for its listing.
  void code(const Plan& plan, const std::vector<FoundKernel>& kernels, const Backend& backend,
            const CodegenOptions& options);

 private:
  void write(const std::string& subject, const std::string& text);

  std::string folder_;
  int files_ = 0;
};

}  // namespace braze
