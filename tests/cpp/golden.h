// Text in -> text out tests. A case is a file tests/golden/<name>.txt: input, a line "---", expected output.
// BRAZE_UPDATE_GOLDEN=1 rewrites the expected part.
#pragma once

#include <functional>
#include <string>

namespace braze {

/// Runs `transform` on the input part and requires the result to equal the rest of the file.
void check_golden(const std::string& name, const std::function<std::string(const std::string&)>& transform);

}  // namespace braze
