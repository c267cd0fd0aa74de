// Draws the findings of benches as SVG: bars of measured values against their targets, and curves where a size grows.
const WIDTH = 760
const BAR = 26
const LEFT = 380

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Returns the plots of a bench, by name. */
export function plotsOf(name, findings) {
  const plots = []
  const asked = findings.filter(({ most, least }) => most !== undefined || least !== undefined)
  if (asked.length > 0) plots.push([name, bars(asked)])
  for (const own of new Set(findings.flatMap(({ plot }) => plot ?? [])))
    plots.push([own, lengths(findings.filter(({ plot }) => plot === own))])
  const curves = curvesOf(findings)
  if (curves.length > 0) plots.push([`${name}-sizes`, chart(curves)])
  return plots.map(([plot, drawn]) => [plot, titled(plot, drawn)])
}

/** How well each target is met: 1 is exactly on target, more is better. */
function bars(findings) {
  const shares = findings.map(({ measured, most, least }) =>
    least !== undefined ? measured / least : most / measured,
  )
  const furthest = 2.5
  const scale = (WIDTH - LEFT - 90) / furthest
  const height = findings.length * (BAR + 8) + 44
  const rows = findings.map(({ what, measured, unit }, nth) => {
    const share = Math.min(furthest, shares[nth])
    const y = 30 + nth * (BAR + 8)
    const color = shares[nth] >= 1 ? '#2f8f5b' : '#c2571a'
    const label = what.length > 62 ? `${what.slice(0, 60)}…` : what
    return [
      `<text x="${LEFT - 8}" y="${y + 17}" text-anchor="end">${escaped(label)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${(share * scale).toFixed(1)}" height="${BAR}" fill="${color}" rx="2"/>`,
      `<text x="${(LEFT + share * scale + 6).toFixed(1)}" y="${y + 17}">${measured >= 100 ? Math.round(measured) : Number(measured.toFixed(2))} ${escaped(unit)}</text>`,
    ].join('\n')
  })
  const line = (LEFT + scale).toFixed(1)
  return svg(height, [
    `<line x1="${line}" y1="20" x2="${line}" y2="${height - 14}" stroke="#888" stroke-dasharray="4 3"/>`,
    `<text x="${line}" y="15" text-anchor="middle">what was asked</text>`,
    ...rows,
  ])
}

/** Measured values side by side: shorter is better. */
function lengths(findings) {
  const longest = Math.max(...findings.map(({ measured }) => measured))
  const scale = (WIDTH - LEFT - 110) / longest
  const rows = findings.map(({ what, measured, unit }, nth) => {
    const y = 16 + nth * (BAR + 8)
    const width = Math.max(1, measured * scale).toFixed(1)
    return [
      `<text x="${LEFT - 8}" y="${y + 17}" text-anchor="end">${escaped(what)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" fill="${/sentinel/.test(what) ? '#2f8f5b' : '#3a6ea5'}" rx="2"/>`,
      `<text x="${(LEFT + Number(width) + 6).toFixed(1)}" y="${y + 17}">${Math.round(measured).toLocaleString('en')} ${escaped(unit)}</text>`,
    ].join('\n')
  })
  return svg(findings.length * (BAR + 8) + 32, rows)
}

/** Groups findings such as "evaluate, 10,000 users" by the text before the comma. */
function curvesOf(findings) {
  const curves = new Map()
  for (const { what, measured, unit } of findings) {
    const found = /^(.*), ([\d,]+) users$/.exec(what)
    if (found === null || unit !== 'ns') continue
    const points = curves.get(found[1]) ?? []
    points.push([Number(found[2].replaceAll(',', '')), measured])
    curves.set(found[1], points)
  }
  return [...curves].filter(([, points]) => points.length > 1)
}

function chart(curves) {
  const height = 360
  const all = curves.flatMap(([, points]) => points)
  const [x0, x1] = [
    Math.log10(Math.min(...all.map(([x]) => x))),
    Math.log10(Math.max(...all.map(([x]) => x))),
  ]
  const [y0, y1] = [1, Math.ceil(Math.log10(Math.max(...all.map(([, y]) => y))))]
  const px = (x) => 70 + ((Math.log10(x) - x0) / (x1 - x0)) * (WIDTH - 260)
  const py = (y) => height - 40 - ((Math.log10(y) - y0) / (y1 - y0)) * (height - 70)
  const colors = ['#2f8f5b', '#c2571a', '#3a6ea5', '#7a5195']
  const grid = []
  for (let power = y0; power <= y1; power++) {
    const y = py(10 ** power).toFixed(1)
    grid.push(`<line x1="70" y1="${y}" x2="${WIDTH - 190}" y2="${y}" stroke="#ddd"/>`)
    grid.push(
      `<text x="62" y="${Number(y) + 4}" text-anchor="end">${(10 ** power).toLocaleString('en')} ns</text>`,
    )
  }
  for (const x of new Set(all.map(([size]) => size))) {
    grid.push(
      `<text x="${px(x).toFixed(1)}" y="${height - 18}" text-anchor="middle">${x.toLocaleString('en')}</text>`,
    )
  }
  const lines = curves.flatMap(([name, points], nth) => {
    const path = points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')
    const [lastX, lastY] = points.at(-1)
    return [
      `<polyline points="${path}" fill="none" stroke="${colors[nth % 4]}" stroke-width="2"/>`,
      `<text x="${(px(lastX) + 8).toFixed(1)}" y="${(py(lastY) + 4).toFixed(1)}" fill="${colors[nth % 4]}">${escaped(name)}</text>`,
    ]
  })
  return svg(height, [...grid, ...lines])
}

function svg(height, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** Adds a title for screen readers. */
function titled(name, drawn) {
  return drawn.replace('\n', `\n<title>${escaped(name.replaceAll('-', ' '))}</title>\n`)
}
