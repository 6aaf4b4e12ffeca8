// See page.h.
#include "report/page.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "report/embedded_files.h"

namespace eaudeqn {
namespace {

constexpr std::uintmax_t kLargestClip = 8'000'000;   // bytes, of one run
constexpr std::uintmax_t kLargestPage = 64'000'000;  // of all clips together

// Inside a script element only "<" can end it or open a comment; nothing of the JSON needs it as it is.
std::string json_for_html(const nlohmann::ordered_json& json) {
  const std::string text = json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "\\u003c";
        break;
      case '>':
        escaped += "\\u003e";
        break;
      case '&':
        escaped += "\\u0026";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// Replaces the one place called @@NAME@@.
void fill(std::string& page, const std::string& name, const std::string& content) {
  const std::string mark = "@@" + name + "@@";
  const auto at = page.find(mark);
  if (at == std::string::npos) throw Error::failure("page.html: has no place for " + name);
  page.replace(at, mark.size(), content);
}

std::string clip_type(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".mp4" || extension == ".webm") return "video/" + extension.substr(1);
  return "image/" + extension.substr(1);
}

}  // namespace

std::string base64(const std::string& bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kDigits[three >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

std::string make_page(const nlohmann::ordered_json& document, const std::vector<std::filesystem::path>& videos) {
  nlohmann::ordered_json data = document;
  std::uintmax_t clips = 0;
  for (std::size_t r = 0; r < videos.size(); ++r) {
    if (videos[r].empty()) continue;
    const auto size = std::filesystem::file_size(videos[r]);
    if (size > kLargestClip || clips + size > kLargestPage) continue;
    clips += size;
    const auto bytes = read_file(videos[r]);
    data["runs"][r]["video_data"] = "data:" + clip_type(videos[r]) + ";base64," +
                                    base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  std::string script;
  for (const char* name : {"page/tables.js", "page/charts.js", "page/sections.js", "page/page.js"}) {
    script += embedded_file(name);
  }
  // From the last place to the first: what is put in may hold any text, marks included.
  std::string page = embedded_file("page/page.html");
  fill(page, "SCRIPT", script);
  fill(page, "CHART_LIBRARY", embedded_file("chart_library.js"));
  fill(page, "DATA", json_for_html(data));
  fill(page, "STYLE", embedded_file("page/style.css"));
  return page;
}

}  // namespace eaudeqn
