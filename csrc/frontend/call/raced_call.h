// A call that has been compiled in two forms, both of them right: its own runs say which is faster.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontend/call/compiled_call.h"
#include "frontend/call/executable.h"
#include "frontend/capture/functionalise.h"
#include "frontend/library/race.h"
#include "support/options.h"

namespace braze {

/// Which form of a program is faster, as found by a race in this process or in one before it.
class FormChoice {
 public:
  /// `form`: what the other form is called, one of a kind.
  FormChoice(const CapturedProgram& program, const std::string& form, const Options& options);

  /// Whether the other form is faster; nothing while that is not known.
  std::optional<bool> known() const;
  void keep(bool other_is_faster) const;

 private:
  std::string name_, question_;
};

/// Runs the two in turn until one is known to be faster, and that one from then on.
class RacedCall : public Executable {
 public:
  RacedCall(std::shared_ptr<CompiledCall> plain, std::shared_ptr<CompiledCall> other, FormChoice choice);

  bool run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) override;
  bool is_settled() const override { return race_.is_over(); }

  /// The faster one as far as is known.
  const std::shared_ptr<CompiledCall>& best() const { return forms_[race_.fastest()]; }
  bool other_is_best() const { return race_.fastest() == 1; }

 private:
  void settle();

  std::shared_ptr<CompiledCall> forms_[2];  // the slower one is null once the race is over
  FormChoice choice_;
  Race race_;
};

}  // namespace braze
