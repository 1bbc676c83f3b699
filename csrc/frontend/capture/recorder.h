// The dispatcher hook: while recording, every leaf operator of this thread (and of autograd's threads working for it)
// is noted and then run as usual. See docs/design.md, Capture.
#pragma once

#include <memory>
#include <string>

#include "frontend/capture/recording.h"

namespace braze {

/// Registers the hook on a free testing key. Called once at import; recorder_available says whether a key was free.
void register_hook();
bool recorder_available();

/// Starts recording on this thread. False when another recording is running or no key was free.
bool start_recording();
/// Ends recording and gives what was recorded; null when this thread's operators are not recorded.
std::unique_ptr<Recording> stop_recording();
/// True on a thread whose operators are being recorded.
bool is_recording();
/// True on a thread that runs an operator which is being recorded: what happens there is the operator's business.
bool inside_operator();
/// From the next recording on, this composite operator is recorded whole, not its parts: it writes memory behind the
/// dispatcher.
void record_whole(const std::string& composite);
/// How many operators have been recorded so far, and how many of them made something depend on values that is no
/// value: a number that Python got, or a size. Operators that are not PyTorch's own may.
struct RecordedSoFar {
  size_t ops = 0;
  int value_dependent = 0;
};
RecordedSoFar recorded_so_far();
/// Whether what has been recorded so far was refused.
bool recording_refused();
/// Notes that the place of tensors in their storages was visible to the call.
void note_offsets_read();
/// Notes that Python asked what autograd knows of a tensor.
void note_autograd_asked();
/// Notes that Python asked a tensor for something it does not have.
void note_absence(const at::Tensor& tensor, Absence what);
/// Notes a refusal from another eye than the dispatcher (the first one stays).
void refuse_recording(const std::string& reason, const std::string& detail);

}  // namespace braze
