// Finds faces with ONNX Runtime alone: faces faces.onnx photo.ppm
#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct Image {
  std::array<int64_t, 3> shape;  // height, width, 3
  std::vector<uint8_t> pixels;   // blue, green and red of each pixel, row by row
};

// Reads a binary PPM; cv::imread, or any other decoder, does as well.
Image read_ppm(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  int64_t width = 0, height = 0, most = 0;
  if (!(file >> kind >> width >> height >> most) || kind != "P6" || most != 255 || width < 1 ||
      height < 1 || width > 20000 || height > 20000)
    throw std::runtime_error(std::string(path) + ": no binary PPM");
  file.get();  // the space after the head
  Image image{{height, width, 3}, std::vector<uint8_t>(height * width * 3)};
  if (!file.read(reinterpret_cast<char*>(image.pixels.data()), image.pixels.size()))
    throw std::runtime_error(std::string(path) + ": too short");
  for (size_t at = 0; at < image.pixels.size(); at += 3)  // red, green, blue to blue, green, red
    std::swap(image.pixels[at], image.pixels[at + 2]);
  return image;
}

int main(int count, char** arguments) try {
  if (count != 3) throw std::runtime_error("usage: faces faces.onnx photo.ppm");
  Image photo = read_ppm(arguments[2]);
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "faces");
  Ort::Session session(env, arguments[1], Ort::SessionOptions{});  // on Windows a wide string
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const Ort::Value image = Ort::Value::CreateTensor<uint8_t>(
      memory, photo.pixels.data(), photo.pixels.size(), photo.shape.data(), photo.shape.size());
  const std::array<const char*, 1> inputs{"image"};
  const std::array<const char*, 2> outputs{"scores", "points"};
  const auto results = session.Run(Ort::RunOptions{}, inputs.data(), &image, 1, outputs.data(), 2);
  const auto sizes = results[1].GetTensorTypeAndShapeInfo().GetShape();  // faces, 68, 2
  const float* scores = results[0].GetTensorData<float>();
  const float* points = results[1].GetTensorData<float>();
  for (int64_t face = 0; face < sizes[0]; ++face) {
    const float* nose = points + (face * sizes[1] + 30) * 2;
    std::printf("%.2f %.1f %.1f\n", scores[face], nose[0], nose[1]);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
