// One recorded and compiled call: the guards that say when it applies, what to run, and what to return.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/call/effects.h"
#include "frontend/call/executable.h"
#include "frontend/call/output_tree.h"
#include "frontend/call/symbolic_call.h"
#include "frontend/call/trial.h"
#include "frontend/guards/arguments.h"
#include "frontend/guards/captured_tensors.h"
#include "frontend/guards/frozen_tensors.h"
#include "frontend/guards/python_state.h"
#include "frontend/guards/torch_state.h"

namespace braze {

struct EntryCounters {
  uint64_t hits = 0;             // guards held
  uint64_t compiled = 0;         // the executable answered
  uint64_t declined = 0;         // the executable asked for an eager run
  uint64_t eager_by_choice = 0;  // trial samples and calls of an entry found slower
  uint64_t shadowed = 0;
};

/// The parts of an entry, any of the shared ones made by Python code; captured, state and frozen may be null. It has an
/// executable, or a symbolic program that has one for each combination of sizes. Without either it stands for calls
/// that are known to be eager's: they go to the function with no further ado.
struct EntryParts {
  std::shared_ptr<ArgumentSpec> arguments;
  std::shared_ptr<StateGuards> state;
  std::shared_ptr<CapturedTensors> captured;
  std::shared_ptr<CapturedTensors> watched;  // tensors of the state that no operator reads: Python may ask their dtype
  std::shared_ptr<Executable> executable;
  std::shared_ptr<SymbolicCall> symbolic;
  std::shared_ptr<OutputTree> outputs;
  std::shared_ptr<Effects> effects;       // null when the call changes none of its arguments' containers
  std::shared_ptr<FrozenTensors> frozen;  // null when the executable keeps no numbers of weights
};

class Entry {
 public:
  Entry(EntryParts parts, const TorchState& torch_state);

  /// Hot. Whether the call is one this entry answers; fills `inputs`.
  bool matches(const TorchState& now, PyObject* const* args, size_t positional, PyObject* keyword_names,
               CallInputs& inputs) {
    if (!(torch_state_ == now) || !parts_.arguments->check(args, positional, keyword_names, inputs)) return false;
    return is_eager() ||
           (parts_.state->check() && parts_.state->check_aliases(inputs.tensors.data(), inputs.tensors.size()) &&
            parts_.captured->check(parts_.state->plain_tensors(), inputs) &&
            parts_.watched->hold(parts_.state->plain_tensors()) && meets_no_guarded_object(inputs) &&
            (!parts_.frozen || parts_.frozen->check(inputs.tensors.data())));
  }

  /// Whether its calls say how fast it is.
  bool is_settled() const { return !parts_.executable || parts_.executable->is_settled(); }
  /// Whether each call needs a measure of its own.
  bool varies() const { return is_symbolic() || (parts_.executable && parts_.executable->varies()); }

  /// Runs it. Null with a Python error, or null without one: run eagerly.
  PyObject* run(const CallInputs& inputs);

  /// As `matches` and `run`, but on other tensors in place of the call's and without the effects on its containers.
  /// Fills `outputs` and returns the nanoseconds it took; nothing when the call is not one it answers, or with a Python
  /// error set.
  std::optional<int64_t> rehearse(PyObject* const* args, size_t positional, PyObject* keyword_names,
                                  const std::vector<at::Tensor>& tensors, std::vector<at::Tensor>& outputs);

  /// Why a call is not one this entry answers; empty when it is. Cold.
  std::string explain_miss(const TorchState& now, PyObject* const* args, size_t positional, PyObject* keyword_names);
  std::vector<std::string> describe_arguments() const { return parts_.arguments->describe(); }
  std::vector<std::string> describe_guards() const;

  /// Whether the Python state is the one it was recorded with.
  bool state_holds() const { return !retired_ && parts_.state && parts_.state->check(); }

  /// Its calls are known to be eager's.
  bool is_eager() const { return parts_.executable == nullptr && !is_symbolic(); }
  bool is_symbolic() const { return parts_.symbolic != nullptr; }

  /// An object it was recorded with has died, or a number it keeps has changed.
  bool is_dead() const { return parts_.arguments->is_dead() || is_stale(); }
  bool is_stale() const { return parts_.frozen && parts_.frozen->is_stale(); }
  std::vector<std::pair<std::string, PyObject*>> objects() const { return parts_.arguments->objects(); }

  Trial trial;
  EntryCounters counters;

  /// The tensors it captured, borrowed; none once retired.
  std::vector<PyObject*> captured() const;

  /// It will not be asked again: lets go of the Python state it guards, which may be a whole model, as soon as no call
  /// runs it.
  void retire();

  int visit(visitproc visit, void* arg) const;
  void clear();

 private:
  /// The values of an output tree: the result, and with effects those that they need. Null as `run`.
  PyRef run_on(const CallInputs& inputs, at::TensorImpl* const* tensors, size_t count,
               std::vector<at::Tensor>& outputs);

  /// A container matched by structure was none of the objects the guards hold when the call was recorded: code could
  /// tell.
  bool meets_no_guarded_object(const CallInputs& inputs) const {
    for (size_t i = 0; i < inputs.containers.size(); ++i)
      if (!parts_.arguments->is_owner(i) && parts_.state->reaches(inputs.containers[i])) return false;
    return true;
  }

  EntryParts parts_;
  TorchState torch_state_;
  int running_ = 0;
  bool retired_ = false;
};

}  // namespace braze
