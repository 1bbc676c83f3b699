// A golden test of one pass: the graph of the file before, the graph after; both have to be sound and compute the same.
#pragma once

#include <string>

#include "golden.h"
#include "graph/parse.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "graph_run.h"
#include "passes/pass.h"

namespace braze {

inline void check_pass(bool (*pass)(Graph&), const std::string& golden, bool runs = true) {
  check_golden(golden, [&](const std::string& text) {
    const Graph before = parse_graph(text);
    verify(before);
    Graph after = before;
    pass(after);
    verify(after);
    if (runs) check_same_results(before, after);
    return print(after);
  });
}

}  // namespace braze
