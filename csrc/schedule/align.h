// How the dims of two fusion groups correspond, so that they can become one.
//
// A link is a value that one group writes and the other reads: two lists of strides into one buffer. Both are walked
// from the smallest stride up, and dims are split until the lists have the same breaks (the mixed radix both numberings
// refine to); then equal strides pair the dims. Reading through permute, reshape or expand aligns; a slice or an
// overlapping window does not.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "schedule/fusion_group.h"

namespace braze {

/// Two maps into one buffer: the producer's and the consumer's.
struct MapPair {
  const AddressMap* producer;
  const AddressMap* consumer;
};

struct DimSplit {
  int dim;
  int64_t inner;
};

struct Alignment {
  std::vector<DimSplit> producer_splits, consumer_splits;  // to be done first, in order
  std::vector<int> producer_dim;    // for each dim of the consumer, the producer's; -1: it has none
  bool broadcasts = false;          // the consumer has dims the producer lacks
  bool only_reduced_added = false;  // ... and these are just its reduced dims
  int64_t added_row = 1;            // ... the extent of the innermost of them if that is its innermost dim of all
};

/// Aligns `producer` with `consumer` so that every link reads what was written at the same point. `hints` are values
/// both read from memory: they decide how the reduced dims of row statistics pair with the dims of a reader that sees
/// nothing else of the producer.
std::optional<Alignment> align(const FusionGroup& producer, const FusionGroup& consumer,
                               const std::vector<MapPair>& links, const std::vector<MapPair>& hints);

}  // namespace braze
