// Arithmetic on windows: broadcasting, reordering, and looking through one window with another. Nothing here touches
// memory.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace braze {

/// The sizes two operands have together, aligned at the last dim as torch does; nothing when they do not fit.
std::optional<std::vector<int64_t>> broadcast_sizes(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

/// `g` seen at `sizes`: new leading dims and stretched dims of size 1 get stride 0; nothing when it does not fit.
std::optional<Geometry> broadcast_to(const Geometry& g, const std::vector<int64_t>& sizes);

/// `g` without its dims of size 1.
Geometry squeezed(const Geometry& g);

/// `g` seen at `sizes`, which differ from its own by dims of size 1 only; nothing when they differ by more.
std::optional<Geometry> with_ones(const Geometry& g, const std::vector<int64_t>& sizes);

/// A dense geometry of `sizes` that lays the elements out as `like` does, when its sizes are the same but for ones;
/// else contiguous.
Geometry laid_out_like(const Geometry& like, const std::vector<int64_t>& sizes);

/// A dense geometry of `sizes`, with its dims in memory in the order of those of `like` (of the same rank).
Geometry in_order_of(const Geometry& like, const std::vector<int64_t>& sizes);

/// Images [N, C, H, W] with their channels innermost.
Geometry with_channels_last(const std::vector<int64_t>& sizes);
bool lies_channels_last(const Geometry& g);

/// Takes positions [start, start + size) of a dim.
Geometry narrowed(Geometry g, int dim, int64_t start, int64_t size);
/// Fixes a dim at a position and drops it.
Geometry selected(Geometry g, int dim, int64_t position);
Geometry unsqueezed(Geometry g, int dim);
/// A dim seen as two, (size / inner, inner); `inner` divides the size.
Geometry split_dim(Geometry g, int dim, int64_t inner);

/// What `region` of a buffer shows was copied, element for element, from what `source` shows of another (same sizes).
/// Gives the window on the source's buffer that shows what `window` shows on the copy; nothing when no single window
/// does, or when `window` looks beyond `region`.
std::optional<Geometry> look_through(const Geometry& window, const Geometry& region, const Geometry& source);

/// True when no element of the buffer is in both windows, as far as cheap tests can tell.
bool are_disjoint(const Geometry& a, const Geometry& b);

}  // namespace braze
