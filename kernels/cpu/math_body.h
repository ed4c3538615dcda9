// exp, tanh and GELU over lanes, in our own polynomials: libm's differ between machines and between
// its own instruction-set variants, and these must not. Included after a lanes header; no include
// guard, see product_body.h.

namespace coterie::COTERIE_LANES {
namespace {

// e^x with about 2 ulp, for x clamped to [-87.3, 88.3]; NaN of NaN. Cody-Waite reduction x = n ln2
// + r, |r| ≤ ln2/2, and the minimax polynomial of Cephes' expf for e^r.
LANES_INLINE F Exp(F x) {
  // Of two operands the second is taken where one is NaN: a NaN stays one.
  x = Min(Set(88.3f), Max(Set(-87.3f), x));
  const F magic = Set(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest integer
  const F n = Sub(Add(Mul(x, Set(1.44269504f)), magic), magic);
  F r = Fma(n, Set(-0.693359375f), x);
  r = Fma(n, Set(2.12194440e-4f), r);
  F p = Set(1.9875691500e-4f);
  p = Fma(p, r, Set(1.3981999507e-3f));
  p = Fma(p, r, Set(8.3334519073e-3f));
  p = Fma(p, r, Set(4.1665795894e-2f));
  p = Fma(p, r, Set(1.6666665459e-1f));
  p = Fma(p, r, Set(5.0000001201e-1f));
  const F e = Add(Fma(p, Mul(r, r), r), Set(1.0f));
  return Mul(e, Pow2(ToI(n)));
}

// tanh x = sign(x) (1 - e^(-2|x|)) / (1 + e^(-2|x|)); absolute error below 2e-7.
LANES_INLINE F Tanh(F x) {
  const F e = Exp(Mul(Abs(x), Set(-2.0f)));
  return WithSignOf(Div(Sub(Set(1.0f), e), Add(Set(1.0f), e)), x);
}

LANES_INLINE F GeluTanh(F u) {
  const F cubed = Mul(Mul(u, u), u);
  const F inner = Mul(Set(0.7978845608f), Fma(Set(0.044715f), cubed, u));
  return Mul(Mul(Set(0.5f), u), Add(Set(1.0f), Tanh(inner)));
}

}  // namespace
}  // namespace coterie::COTERIE_LANES
