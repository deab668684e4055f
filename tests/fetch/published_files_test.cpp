#include "fetch/published_files.h"

#include <catch2/catch.hpp>
#include <set>

#include "fetch/progress_bar.h"
#include "lorentznet/error.h"
#include "support.h"

using namespace lorentznet;

TEST_CASE("the program carries the table of the published files") {
  const auto top = published_files("top");
  REQUIRE(top.size() == 3);
  CHECK(top[0].name == "train.h5");
  CHECK(top[0].sha256.empty());
  CHECK(top[2].url == "https://zenodo.org/record/2603256/files/test.h5?download=1");
  std::set<std::string> sums;
  for (const char* set : {"qg-pythia", "qg-pythia-bc", "qg-herwig", "qg-herwig-bc"}) {
    const auto files = published_files(set);
    CHECK(files.size() == 20);
    for (const auto& file : files) sums.insert(file.sha256);
  }
  CHECK(sums.size() == 80);
  CHECK(published_files("qg-pythia")[1].name == "QG_jets_1.npz");
  for (const std::string task : {"top", "qg"}) {
    const auto network = published_files(task + "-network");
    REQUIRE(network.size() == 2);
    CHECK(network[0].name == "args.json");
    CHECK(network[0].bytes == (task == "top" ? 430 : 428));
    CHECK(network[1].name == "best-val-model.pt");
    CHECK(network[1].url ==
          "https://raw.githubusercontent.com/sdogsq/LorentzNet-release/"
          "14bbe783767a7ff73c4afc15e3e9557414088439/logs/" +
              task + "/pretrained/best-val-model.pt");
  }
}

TEST_CASE("an invalid table is refused with the line") {
  const std::string head = "set\tfile\tsha256\turl\n";
  CHECK(published_files(head + "a\tx.npz\t-\thttp://b/x\n", "a", "t")[0].url == "http://b/x");
  CHECK(published_files(head + "a\tx\t-\thttp://b/x\t70\n", "a", "t")[0].bytes == 70);
  CHECK_THROWS_WITH(published_files("", "a", "t"), Catch::StartsWith("t: line 1 "));
  CHECK_THROWS_WITH(published_files(head, "a", "t"), Catch::Contains("no files of the set 'a'"));
  for (const char* line : {"a\tx.npz\t-\n", "a\t../x.npz\t-\thttp://b\n", "a\t.x\t-\thttp://b\n",
                           "a\tx.npz\t123\thttp://b\n", "a\tx\t-\thttp://b\t0\n",
                           "a\tx\t-\thttp://b\t1 MB\n", "a\tx\t-\thttp://b\t7\t8\n"}) {
    CHECK_THROWS_WITH(published_files(head + line, "a", "t"), Catch::StartsWith("t: line 2 "));
  }
}

TEST_CASE("a progress bar shows fraction, size, speed and time left") {
  CHECK(progress_text("a.h5", 50000000, 200000000, 1e7) ==
        "a.h5 [======>                 ]  25 %  50 of 200 MB  10.0 MB/s  15 s left");
  CHECK(progress_text("a.h5", 50000000, 0, 0) == "a.h5  50 MB");
}
