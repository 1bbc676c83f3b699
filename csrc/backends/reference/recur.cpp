#include "backends/reference/recur.h"

#include <cmath>

namespace braze {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The gates of one unit: what inputs give and what the states before give, which a GRU combines otherwise.
struct Gates {
  double given[4] = {}, state[4] = {};
  double sum(int gate) const { return given[gate] + state[gate]; }
};

double next_of_gru(const Gates& gates, double bias, double before) {
  const double reset = sigmoid(gates.sum(0)), update = sigmoid(gates.sum(1));
  const double candidate = std::tanh(gates.given[2] + reset * (gates.state[2] + bias));
  return candidate + update * (before - candidate);
}

}  // namespace

std::vector<double> recur(const RecurrentRow& row) {
  const bool lstm = row.op == Op::lstm_ || row.op == Op::lstm_back_, backward = info(row.op).has(Backward);
  const int gates = lstm ? 4 : 3;
  std::vector<double> hidden, cell, series(row.steps * row.units * (lstm ? 2 : 1));
  for (int64_t unit = 0; unit < row.units; ++unit) {
    hidden.push_back(row.element(2, 0, 0, 0, unit));
    if (lstm) cell.push_back(row.element(3, 0, unit, 0, 0));
  }
  for (int64_t turn = 0; turn < row.steps; ++turn) {
    const int64_t step = backward ? row.steps - 1 - turn : turn;
    const std::vector<double> before = hidden;
    for (int64_t unit = 0; unit < row.units; ++unit) {
      Gates sums;
      for (int gate = 0; gate < gates; ++gate) {
        sums.given[gate] = row.element(0, step, unit, gate, 0);
        for (int64_t k = 0; k < row.units; ++k) sums.state[gate] += before[k] * row.element(1, 0, unit, gate, k);
      }
      if (lstm) {
        cell[unit] = sigmoid(sums.sum(1)) * cell[unit] + sigmoid(sums.sum(0)) * std::tanh(sums.sum(2));
        hidden[unit] = sigmoid(sums.sum(3)) * std::tanh(cell[unit]);
        series[(row.steps + step) * row.units + unit] = cell[unit];
      } else {
        hidden[unit] = next_of_gru(sums, row.element(3, 0, unit, 0, 0), before[unit]);
      }
      series[step * row.units + unit] = hidden[unit];
    }
  }
  return series;
}

}  // namespace braze
