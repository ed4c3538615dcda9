// What this machine can do at best, measured: the limits that benches state their ratio to.
//
// Thread rule: runs `num_threads` threads of its own; nothing else should run meanwhile.
#ifndef COTERIE_BENCH_KERNELS_MACHINE_LIMITS_H_
#define COTERIE_BENCH_KERNELS_MACHINE_LIMITS_H_

namespace coterie {

// Bytes a second that `num_threads` threads read together from a gigabyte in huge pages: plain
// loads, each thread a range of its own. Median of five passes.
double MeasureReadBandwidth(int num_threads);

// Multiply-adds a second of int8 products (VNNI dot products where the machine has them, else
// 16-bit multiply-adds), and of f32 fma, from registers, in the best instruction set that the
// kernels have. Median of five.
double MeasureInt8MultiplyAdds(int num_threads);
double MeasureF32MultiplyAdds(int num_threads);

}  // namespace coterie

#endif  // COTERIE_BENCH_KERNELS_MACHINE_LIMITS_H_
