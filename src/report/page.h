// The report as one HTML file that needs nothing else, made from the document. No numbers are computed here.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace eaudeqn {

// `videos`: one path per run of the document, empty where there is none; short clips are put into the page, for larger
// ones it names the file. Throws Error::failure for a clip that cannot be read.
std::string make_page(const nlohmann::ordered_json& document, const std::vector<std::filesystem::path>& videos);

// The bytes in base 64, as data: addresses want them.
std::string base64(const std::string& bytes);

}  // namespace eaudeqn
