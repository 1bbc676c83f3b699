#include "graph/hash.h"

#include "graph/print.h"

namespace braze {

Hash128 structural_hash(const Graph& graph) { return hash_bytes(print_canonical(graph)); }

bool structurally_equal(const Graph& a, const Graph& b) { return print_canonical(a) == print_canonical(b); }

}  // namespace braze
