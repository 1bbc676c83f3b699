// Puts what a call changed back to what it was before, for as long as the call is made once more, and then to what the
// call made of it: the containers among its arguments, and memory it wrote.
//
// Both ways are one step for Python: no signal handler, no other thread and no code of the user's runs inside, so that
// whatever ends the call in between, nobody is left with half of either.
#pragma once

#include <ATen/core/Tensor.h>
#include <Python.h>

#include <string>
#include <utility>
#include <vector>

#include "frontend/guards/python_value.h"

namespace braze {

class Rewind {
 public:
  /// `contents`: of each container (a list, a dict, or an object with attributes) what it held before, as a list or
  /// dict. `memory`: tensors with copies of what they held.
  Rewind(std::vector<PyRef> containers, std::vector<PyRef> contents,
         std::vector<std::pair<at::Tensor, at::Tensor>> memory);

  /// False with a Python error set, and then nothing has changed.
  bool enter();
  void exit();

 private:
  struct Held {
    PyRef container, before, after;
  };
  void swap_memory();

  std::vector<Held> held_;
  std::vector<std::pair<at::Tensor, at::Tensor>> memory_;
  std::vector<int64_t> versions_;
};

}  // namespace braze
