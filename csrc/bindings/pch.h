// The precompiled header of _C: the PyTorch and pybind11 headers its files share. Compiling them once is most of the
// build time.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>
#include <torch/library.h>
