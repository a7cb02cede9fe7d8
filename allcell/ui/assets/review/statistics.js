// Counts and exact intervals in the browser, so that they change with the key that changes them.
// The server computes the same (allcell/statistics.py); tests hold the two together.

// Logarithm of the gamma function (Lanczos, g = 7, n = 9).
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

function logGamma(x) {
  const z = x - 1;
  const sum = LANCZOS.slice(1).reduce((s, c, i) => s + c / (z + i + 1), LANCZOS[0]);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

// Regularised incomplete beta function (continued fraction, Numerical Recipes 6.4).
function betaCdf(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - x, b, a);
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  );
  const safe = (value) => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
  let sum = d;
  for (let m = 1; m < 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / safe(1 + even * d);
    c = safe(1 + even / c);
    sum *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / safe(1 + odd * d);
    c = safe(1 + odd / c);
    sum *= d * c;
    if (Math.abs(d * c - 1) < 1e-13) break;
  }
  return (front * sum) / a;
}

function betaInverse(p, a, b) {
  let [low, high] = [0, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (betaCdf(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Exact 95 % interval of k of n (Clopper and Pearson), 0 to 1.
function exactInterval(k, n) {
  const low = k > 0 ? betaInverse(0.025, k, n - k + 1) : 0;
  const high = k < n ? betaInverse(0.975, k + 1, n - k) : 1;
  return [low, high];
}

const NBSP = "\u00a0";
const percent = (share) => `${(100 * share).toFixed(1)}${NBSP}%`;

// "20 of 87 = 23.0 %" and "14.6 to 33.2 %", as on every page (ui/shell/wording.py).
function shareText(k, n) {
  return n ? `${k} of ${n} = ${percent(k / n)}` : "0 of 0";
}

function intervalText(k, n) {
  if (!n) return "";
  const [low, high] = exactInterval(k, n);
  return `${(100 * low).toFixed(1)} to ${percent(high)}`;
}
