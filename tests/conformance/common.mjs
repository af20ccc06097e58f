/* The rules that WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common: one case each.
 * Section numbers are RFC 9725's. */
import assert from 'node:assert/strict';
import { CANDIDATE, FRAGMENT, SDP, ask, fragment, isProblem, links, sections, session, value }
  from './lib.mjs';

/** `c`: origin, path of the endpoint, headers to show, offer(options), answers: their direction. */
export function commonCases(test, c) {
  const post = (offer = c.offer(), headers = {}) =>
    ask(c.origin(), 'POST', c.path(), { 'Content-Type': SDP, ...c.headers(), ...headers }, offer);
  const patch = (where, headers, body) =>
    ask(c.origin(), 'PATCH', where, { 'Content-Type': FRAGMENT, ...c.headers(), ...headers }, body);
  const end = (where, headers = {}) =>
    ask(c.origin(), 'DELETE', where, { ...c.headers(), ...headers });
  const withSession = async (check) => {
    const made = await post();
    assert.equal(made.status, 201, made.body);
    try {
      await check(made, made.headers.location, made.headers.etag);
    } finally {
      await end(made.headers.location);
    }
  };

  test('4.2: an offer is answered with 201, application/sdp and a Location', async () => {
    await withSession(async (made, location) => {
      assert.match(made.headers['content-type'], /^application\/sdp\b/);
      assert.match(made.body, /^v=0\r\n/);
      assert.equal(Number(made.headers['content-length']), Buffer.byteLength(made.body));
      assert.ok(/^\/[^/]/.test(location) || URL.canParse(location), location);
    });
  });

  test('4.2: another content type than application/sdp is refused', async () => {
    isProblem(await post(c.offer(), { 'Content-Type': 'text/plain' }), 415);
    isProblem(await post(c.offer(), { 'Content-Type': 'application/json' }), 415);
  });

  test('4.2: a malformed description is refused', async () => {
    isProblem(await post('this is no description'), 400);
    isProblem(await post('v=0\r\nm=\r\n'), 400);
    isProblem(await post(''), 400);
  });

  test(`4.2: the answer is ${c.answers} throughout`, async () => {
    await withSession(async (made) => {
      for (const lines of sections(made.body)) {
        const directions = lines.filter((l) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(l));
        assert.deepEqual(directions, [`a=${c.answers}`]);
      }
    });
  });

  test('4.2: sendrecv may be offered too', async () => {
    const made = await post(c.offer({ direction: 'sendrecv' }));
    assert.equal(made.status, 201, made.body);
    assert.equal(value(sections(made.body)[0], `a=${c.answers}`), '');
    await end(made.headers.location);
  });

  test('4.2: an offer that wants the other direction, or none, is refused', async () => {
    isProblem4xx(await post(c.offer({ direction: c.answers })));
    isProblem4xx(await post(c.offer({ direction: 'inactive' })));
  });

  test('4.2: DELETE ends the session, and a second one finds none', async () => {
    const made = await post();
    assert.equal((await end(made.headers.location)).status, 200);
    isProblem(await end(made.headers.location), 404);
    isProblem(await patch(made.headers.location, { 'If-Match': made.headers.etag },
      fragment('EsAw', [CANDIDATE])), 404);
  });

  test('4.1: GET on endpoint and session is a success without content', async () => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(c.origin(), method, c.path(), c.headers());
      assert.equal(Math.floor(answer.status / 100), 2);
      assert.equal(answer.body, '');
    }
    await withSession(async (made, location) => {
      const answer = await ask(c.origin(), 'GET', location, c.headers());
      assert.equal(Math.floor(answer.status / 100), 2);
      assert.equal(answer.body, '');
    });
  });

  test('RFC 9110 15.5.6: other methods are 405 and say what is allowed', async () => {
    const answer = await ask(c.origin(), 'PUT', c.path(), c.headers(), 'x');
    isProblem(answer, 405);
    assert.match(answer.headers.allow, /\bPOST\b/);
    await withSession(async (made, location) => {
      const other = await ask(c.origin(), 'POST', location, { 'Content-Type': SDP, ...c.headers() },
        c.offer());
      isProblem(other, 405);
      assert.match(other.headers.allow, /\bPATCH\b.*\bDELETE\b/);
    });
  });

  test('4.2: OPTIONS works for CORS, without credentials, and says Accept-Post', async () => {
    const answer = await ask(c.origin(), 'OPTIONS', c.path(), { Origin: 'https://other.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization, content-type' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['accept-post'], SDP);
    assert.ok(answer.headers['access-control-allow-origin']);
    assert.match(answer.headers['access-control-allow-methods'], /POST.*PATCH.*DELETE/);
    /* Fetch: "*" does not cover it */
    assert.match(answer.headers['access-control-allow-headers'], /authorization/i);
    assert.match(answer.headers['access-control-allow-headers'], /if-match/i);
    assert.deepEqual(links(answer), []); /* 4.6: no ICE servers on a preflight */
  });

  test('Fetch: pages of other sites may read Location, ETag, Link and Retry-After', async () => {
    await withSession(async (made) => {
      for (const name of ['Location', 'ETag', 'Link', 'Retry-After']) {
        assert.match(made.headers['access-control-expose-headers'], new RegExp(`\\b${name}\\b`));
      }
    });
  });

  test('4.3.1: a 201 has a strong, quoted entity tag, and each session its own', async () => {
    await withSession(async (made, location, etag) => {
      assert.match(etag, /^"[\x21\x23-\x7e]+"$/);
      assert.notEqual(etag, '"*"');
      const other = await post();
      assert.notEqual(other.headers.etag, etag);
      assert.notEqual(other.headers.location, location);
      await end(other.headers.location);
    });
  });

  test('4.3.1: a PATCH of another content type, or malformed, is refused', async () => {
    await withSession(async (made, location, etag) => {
      const headers = { 'If-Match': etag };
      isProblem(await patch(location, { ...headers, 'Content-Type': 'text/plain' },
        fragment('EsAw')), 415);
      isProblem(await patch(location, headers, 'this is no fragment'), 400);
      isProblem(await patch(location, headers, ''), 400);
    });
  });

  test('4.3.1: a missing entity tag is 428, a stale or weak one 412', async () => {
    await withSession(async (made, location, etag) => {
      const body = fragment('EsAw', [CANDIDATE]);
      isProblem(await patch(location, {}, body), 428);
      isProblem(await patch(location, { 'If-Match': '"stale"' }, body), 412);
      isProblem(await patch(location, { 'If-Match': `W/${etag}` }, body), 412);
      assert.equal((await patch(location, { 'If-Match': `"a", ${etag}` }, body)).status, 204);
    });
  });

  test('4.3.1: DELETE ignores entity tags', async () => {
    const made = await post();
    assert.equal((await end(made.headers.location, { 'If-Match': '"stale"' })).status, 200);
  });

  test('4.3.2: candidates are 204 without a body and without an entity tag', async () => {
    await withSession(async (made, location, etag) => {
      const answer = await patch(location, { 'If-Match': etag }, fragment('EsAw', [CANDIDATE]));
      assert.equal(answer.status, 204);
      assert.equal(answer.body, '');
      assert.equal(answer.headers.etag, undefined);
    });
  });

  test('4.3.2: candidates that cannot be used are dropped without a word', async () => {
    await withSession(async (made, location, etag) => {
      const odd = ['a=candidate:1 1 udp 1 not-there.invalid 9 typ host',
        'a=candidate:2 1 udp 1 0f3c6e2a-1111-4222-8333-444455556666.local 9 typ host',
        'a=candidate:3 1 sctp 1 192.0.2.1 9 typ host', 'a=candidate:4 1 tcp 1518280447 192.0.2.1 9 ' +
        'typ host tcptype active', 'a=end-of-candidates'];
      const answer = await patch(location, { 'If-Match': etag }, fragment('EsAw', odd));
      assert.equal(answer.status, 204);
    });
  });

  test('4.3.2: the answer has all candidates of the server, and their end', async () => {
    await withSession(async (made) => {
      assert.match(made.body, /^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host/im);
      assert.match(made.body, /^a=end-of-candidates$/m);
    });
  });

  test('4.3.1: candidates but no restarts: a restart is 422 and the session stays', async () => {
    await withSession(async (made, location, etag) => {
      isProblem(await patch(location, { 'If-Match': '*' }, fragment('ysXw', [CANDIDATE])), 422);
      isProblem(await patch(location, { 'If-Match': etag }, fragment('ysXw', [CANDIDATE])), 422);
      assert.equal((await patch(location, { 'If-Match': etag },
        fragment('EsAw', [CANDIDATE]))).status, 204);
    });
  });

  test('4.4.1: one bundle, its mids as offered, and RTCP on the same port only', async () => {
    await withSession(async (made) => {
      assert.equal(value(session(made.body), 'a=group:BUNDLE '), '0 1');
      for (const [i, lines] of sections(made.body).entries()) {
        assert.equal(value(lines, 'a=mid:'), String(i));
        assert.ok(lines.includes('a=rtcp-mux'));
        assert.ok(lines.includes('a=rtcp-mux-only'));
      }
    });
  });

  test('RFC 9143: m-lines that are bundle-only with port 0 are not refused ones', async () => {
    const offer = c.offer().replace('m=video 9', 'm=video 0').replace('a=mid:1',
      'a=mid:1\r\na=bundle-only');
    const made = await post(offer);
    assert.equal(made.status, 201, made.body);
    assert.equal(sections(made.body).length, 2);
    assert.ok(sections(made.body).every((lines) => lines.includes(`a=${c.answers}`)));
    await end(made.headers.location);
  });

  test('RFC 8842: the setup role is one of the two, as the offer allows', async () => {
    for (const [offered, wanted] of [['actpass', /^(active|passive)$/], ['active', /^passive$/],
      ['passive', /^active$/]]) {
      const made = await post(c.offer({ setup: offered }));
      assert.equal(made.status, 201, made.body);
      for (const lines of sections(made.body)) {
        assert.match(value(lines, 'a=setup:'), wanted);
      }
      await end(made.headers.location);
    }
  });

  test('JSEP: unknown attributes are ignored, and only what was offered is answered', async () => {
    const made = await post(c.offer({ lines: ['a=x-unknown:1', 'a=another'] }));
    assert.equal(made.status, 201, made.body);
    const [, picture] = sections(made.body);
    for (const type of picture[0].split(' ').slice(3)) {
      assert.ok(['96', '97', '102', '103'].includes(type), picture[0]);
    }
    for (const id of picture.filter((l) => l.startsWith('a=extmap:'))) {
      assert.match(id, /^a=extmap:4 /);
    }
    await end(made.headers.location);
  });

  test('security: locations have 128 random bits, and cannot be guessed', async () => {
    await withSession(async (made, location) => {
      const secret = location.split('/').pop();
      assert.ok(secret.length * 6 >= 128, secret);
      const other = location.slice(0, -1) + (location.endsWith('A') ? 'B' : 'A');
      isProblem(await end(other), 404);
    });
  });

  test('security: what is longer than a description may be is 413', async () => {
    isProblem(await post('v=0\r\n'.padEnd(66000, 'x')), 413);
  });

  test('4.5: a POST is never redirected as 301 or 302', async () => {
    const answer = await ask(c.origin(), 'POST', `${c.path()}-NOT-THERE`,
      { 'Content-Type': SDP, ...c.headers() }, c.offer());
    isProblem(answer, 404);
  });
}

export function isProblem4xx(answer) {
  assert.equal(Math.floor(answer.status / 100), 4, answer.body);
}

/** With full ICE: restarts, and STUN and TURN servers. */
export function fullIceCases(test, c) {
  const post = () =>
    ask(c.origin(), 'POST', c.path(), { 'Content-Type': SDP, ...c.headers() }, c.offer());
  const patch = (where, tag, body) => ask(c.origin(), 'PATCH', where,
    { 'Content-Type': FRAGMENT, 'If-Match': tag, ...c.headers() }, body);

  test('4.6: each STUN and TURN server has a Link, TURN with its credentials', async () => {
    const made = await post();
    assert.equal(made.status, 201, made.body);
    const servers = links(made).filter((link) => link.includes('rel="ice-server"'));
    assert.deepEqual(servers, ['<stun:127.0.0.1:9>; rel="ice-server"',
      '<turn:127.0.0.1:9?transport=udp>; rel="ice-server"; username="user"; ' +
      'credential="pass"; credential-type="password"']);
    await ask(c.origin(), 'DELETE', made.headers.location, c.headers());
  });

  test('4.3.3: a restart is 200 with a new tag, credentials, and candidates', async () => {
    const made = await post();
    const { location, etag } = made.headers;
    const answer = await patch(location, '*', fragment('ysXw', [CANDIDATE]));
    assert.equal(answer.status, 200, answer.body);
    assert.match(answer.headers['content-type'], new RegExp(`^${FRAGMENT}`));
    assert.match(answer.headers.etag, /^"[\x21\x23-\x7e]+"$/);
    assert.notEqual(answer.headers.etag, etag);
    const before = sections(made.body)[0], after = answer.body.split('\r\n');
    for (const name of ['a=ice-ufrag:', 'a=ice-pwd:']) {
      assert.ok(value(after, name));
      assert.notEqual(value(after, name), value(before, name));
    }
    assert.match(answer.body, /^a=candidate:/m);
    /* the same ice-options and ice-lite as the answer had */
    assert.equal(value(after, 'a=ice-options:'), value(before, 'a=ice-options:'));
    assert.equal(after.includes('a=ice-lite'), session(made.body).includes('a=ice-lite'));
    /* the old tag is of the ICE session before */
    isProblem(await patch(location, etag, fragment('ysXw', [CANDIDATE])), 412);
    assert.equal((await patch(location, answer.headers.etag,
      fragment('ysXw', [CANDIDATE]))).status, 204);
    /* 4.3.3: new credentials are a restart with the right tag too */
    assert.equal((await patch(location, answer.headers.etag,
      fragment('other', [CANDIDATE]))).status, 200);
    await ask(c.origin(), 'DELETE', location, c.headers());
  });

  test('4.3.3: a restart that cannot be leaves the session as it was', async () => {
    const made = await post();
    const { location, etag } = made.headers;
    isProblem(await patch(location, '*', 'a=mid:0\r\na=ice-ufrag:ysXw\r\n'), 422);
    isProblem(await patch(location, '*', 'a=mid:0\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n'), 422);
    assert.equal((await patch(location, etag, fragment('EsAw', [CANDIDATE]))).status, 204);
    assert.equal((await ask(c.origin(), 'DELETE', location, c.headers())).status, 200);
  });
}
