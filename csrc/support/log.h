// Log lines on stderr, by channel: BRAZE_LOG=compiles,kernels,guards,refusals. Each line is one write, so threads never
// mix theirs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace braze {

enum class LogChannel : uint8_t { compiles, kernels, guards, refusals };

/// The channel of this name, if there is one.
std::optional<LogChannel> log_channel(std::string_view name);

/// Whether anyone listens: ask before making a line that costs something.
bool log_enabled(LogChannel channel);

/// Writes "braze <channel>: <line>". Line breaks inside become spaces. Does nothing when the channel is off.
void log_line(LogChannel channel, std::string_view line);

/// Switches on exactly the channels named, with commas between; unknown names are ignored (options.cpp has checked
/// them).
void set_log_channels(std::string_view names);

}  // namespace braze
