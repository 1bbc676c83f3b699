#include "support/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace braze {

namespace {

constexpr std::string_view kChannels[] = {"compiles", "kernels", "guards", "refusals"};
std::atomic<unsigned> enabled_channels{0};

unsigned bit(LogChannel channel) { return 1u << static_cast<unsigned>(channel); }

}  // namespace

std::optional<LogChannel> log_channel(std::string_view name) {
  const auto* found = std::find(std::begin(kChannels), std::end(kChannels), name);
  if (found == std::end(kChannels)) return std::nullopt;
  return static_cast<LogChannel>(found - std::begin(kChannels));
}

bool log_enabled(LogChannel channel) { return enabled_channels.load(std::memory_order_relaxed) & bit(channel); }

void log_line(LogChannel channel, std::string_view line) {
  if (!log_enabled(channel)) return;
  std::string text = "braze " + std::string(kChannels[static_cast<unsigned>(channel)]) + ": " + std::string(line);
  std::replace(text.begin(), text.end(), '\n', ' ');
  text += '\n';
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // a closed stderr is not our concern
}

void set_log_channels(std::string_view names) {
  unsigned mask = 0;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    if (const auto channel = log_channel(names.substr(0, end))) mask |= bit(*channel);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  enabled_channels.store(mask, std::memory_order_relaxed);
}

}  // namespace braze
