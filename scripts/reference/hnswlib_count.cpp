// hnswlib_count.cpp - hnswlib over raw float32 rows, with a SpaceInterface that counts the distances it computes: the reference that
// our hnsw's recall, distance computations and speed are held against (hnswlib's own counter adds list lengths, visited nodes included).
//
//   g++ -O3 -march=native -pthread scripts/reference/hnswlib_count.cpp -o hnswlib_count     (Debian: libhnswlib-dev)
//   hnswlib_count TRAIN.fbin QUERIES.fbin TRUTH.ibin M EF_CONSTRUCTION THREADS EF...
//
// Files are u32 rows, u32 columns, then the rows (little-endian); TRUTH holds at least 10 ids a query. Prints one JSON object a line:
// the build's seconds and distances, then recall@10, distances a query and queries a second for each ef. Timed searches do not count.
//
// SPDX-License-Identifier: MIT
#include <hnswlib/hnswlib.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

template <typename T> struct Matrix {
    uint32_t rows = 0, columns = 0;
    std::vector<T> at;
    const T *row(size_t i) const { return at.data() + i * columns; }
};

template <typename T> static Matrix<T> load(const char *path)
{
    Matrix<T> m;
    std::ifstream in(path, std::ios::binary);
    in.read(reinterpret_cast<char *>(&m.rows), 4);
    in.read(reinterpret_cast<char *>(&m.columns), 4);
    m.at.resize(size_t(m.rows) * m.columns);
    in.read(reinterpret_cast<char *>(m.at.data()), std::streamsize(m.at.size() * sizeof(T)));
    if (!in) {
        fprintf(stderr, "hnswlib_count: cannot read %s\n", path);
        exit(1);
    }
    return m;
}

static thread_local uint64_t computed;
static bool counting;

// hnswlib's own L2, counted while `counting`; otherwise it hands out the bare function, so that timings are hnswlib's.
class CountingSpace : public hnswlib::SpaceInterface<float>
{
    hnswlib::L2Space plain;
    static hnswlib::DISTFUNC<float> inner;
    static float counted(const void *a, const void *b, const void *d)
    {
        computed++;
        return inner(a, b, d);
    }

  public:
    explicit CountingSpace(size_t d) : plain(d) { inner = plain.get_dist_func(); }
    size_t get_data_size() override { return plain.get_data_size(); }
    void *get_dist_func_param() override { return plain.get_dist_func_param(); }
    hnswlib::DISTFUNC<float> get_dist_func() override { return counting ? counted : inner; }
};
hnswlib::DISTFUNC<float> CountingSpace::inner;

static double now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using Index = hnswlib::HierarchicalNSW<float>;

static uint64_t build(Index &index, const Matrix<float> &train, unsigned threads)
{
    std::atomic<size_t> next{1};
    std::atomic<uint64_t> total{0};
    std::vector<std::thread> workers;
    index.addPoint(train.row(0), 0);
    for (unsigned t = 0; t < threads; t++)
        workers.emplace_back([&] {
            for (size_t i; (i = next++) < train.rows;) index.addPoint(train.row(i), i);
            total += computed;
        });
    for (auto &w : workers) w.join();
    return total;
}

static void search(Index &index, CountingSpace &space, const Matrix<float> &queries, const Matrix<uint32_t> &truth, size_t ef)
{
    const size_t k = 10;
    size_t hits = 0;
    index.setEf(ef);
    index.fstdistfunc_ = (counting = true, space.get_dist_func());
    computed = 0;
    for (size_t q = 0; q < queries.rows; q++) {
        std::set<size_t> right(truth.row(q), truth.row(q) + k);
        for (auto best = index.searchKnn(queries.row(q), k); !best.empty(); best.pop()) hits += right.count(best.top().second);
    }
    uint64_t distances = computed;
    index.fstdistfunc_ = (counting = false, space.get_dist_func());
    double best = 1e30;
    for (int repeat = 0; repeat < 3; repeat++) {
        double start = now();
        for (size_t q = 0; q < queries.rows; q++) index.searchKnn(queries.row(q), k);
        best = std::min(best, now() - start);
    }
    printf("{\"ef\": %zu, \"recall\": %.5f, \"dist_comps\": %.1f, \"qps\": %.1f}\n", ef, double(hits) / double(k * queries.rows),
           double(distances) / queries.rows, queries.rows / best);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr, "usage: hnswlib_count TRAIN.fbin QUERIES.fbin TRUTH.ibin M EF_CONSTRUCTION THREADS EF...\n");
        return 2;
    }
    auto train = load<float>(argv[1]), queries = load<float>(argv[2]);
    auto truth = load<uint32_t>(argv[3]);
    size_t M = std::stoul(argv[4]), ef_construction = std::stoul(argv[5]);
    unsigned threads = unsigned(std::stoul(argv[6]));
    if (train.columns != queries.columns || truth.rows < queries.rows || truth.columns != 10) {
        fprintf(stderr, "hnswlib_count: the three files do not fit (truth must have 10 columns)\n");
        return 1;
    }
    const char *seed = getenv("HNSWLIB_SEED");
    CountingSpace space(train.columns);
    counting = getenv("HNSWLIB_COUNT_BUILD") != nullptr;
    Index index(&space, train.rows, M, ef_construction, seed ? std::stoul(seed) : 100);
    double start = now();
    uint64_t distances = build(index, train, threads);
    printf("{\"build_s\": %.2f, \"build_dist_comps\": %llu}\n", now() - start, (unsigned long long)distances);
    fflush(stdout);
    for (int i = 7; i < argc; i++) search(index, space, queries, truth, std::stoul(argv[i]));
    return 0;
}
