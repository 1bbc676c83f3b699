// All but the runs themselves happens while the interpreter's lock is held.
#include "frontend/call/raced_call.h"

#include <utility>

#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "graph/hash.h"

namespace braze {
namespace {

constexpr const char* kPlain = "plain";
constexpr Race::Effort kEffort = {.fewest = 3, .most = 12, .enough = 0.005};

}  // namespace

FormChoice::FormChoice(const CapturedProgram& program, const std::string& form, const Options& options)
    : name_(form),
      question_(form + " or plain, " + circumstances(options) + " numerics " + options.numerics + " products " +
                options.products + " without " + options.disabled_passes + ": " +
                structural_hash(program.graph).hex()) {}

std::optional<bool> FormChoice::known() const {
  const auto answer = Remembered::instance().find(question_);
  if (answer == name_) return true;
  return answer == kPlain ? std::optional(false) : std::nullopt;
}

void FormChoice::keep(bool other_is_faster) const {
  Remembered::instance().keep(question_, other_is_faster ? name_ : kPlain);
}

RacedCall::RacedCall(std::shared_ptr<CompiledCall> plain, std::shared_ptr<CompiledCall> other, FormChoice choice)
    : forms_{std::move(plain), std::move(other)}, choice_(std::move(choice)), race_(2, kEffort) {}

bool RacedCall::run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) {
  if (race_.is_over()) return best()->run(inputs, count, outputs);
  const size_t form = race_.next();
  const std::shared_ptr<CompiledCall> call = forms_[form];  // other threads may end the race meanwhile
  const double start = seconds_now();
  if (!call->run(inputs, count, outputs)) return false;
  const double seconds = seconds_now() - start;
  if (race_.is_over()) return true;
  race_.add(form, seconds);
  if (race_.is_over()) settle();
  return true;
}

void RacedCall::settle() {
  choice_.keep(other_is_best());
  forms_[other_is_best() ? 0 : 1].reset();
}

}  // namespace braze
