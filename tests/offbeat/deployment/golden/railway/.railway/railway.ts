// Made from platform.yaml by "python manage.py export_platform railway".
// Change platform.yaml and make it again, not this file.
// Shared variables of the project, to be set there: SECRET_KEY, STRIPE_KEY, SENTRY_DSN.
// Make SECRET_KEY once, with: python3 -c "import secrets; print(secrets.token_urlsafe(50))"
import { defineRailway, github, postgres, project, redis, service } from "railway/iac";

export default defineRailway((ctx) => {
  const postgresServer = postgres("postgres");
  const redisServer = redis("redis");
  const source = github("acme/bakery", {
    "branch": "release/1.x",
  });
  const webService = service("web", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "WEB_THREADS": "8",
      "PORT": "8080",
      "WEB_CONCURRENCY": "2",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
    },
    "start": "gunicorn --config src/offbeat/gunicorn.py config.wsgi",
    "preDeploy": "python manage.py release",
    "healthcheck": "/healthz",
    "replicas": 2,
    "deploy": {
      "drainingSeconds": 45,
      "restartPolicyType": "ALWAYS",
      "limitOverride": {
        "containers": {
          "cpu": 1,
          "memoryBytes": 1073741824,
        },
      },
    },
  });
  const workerService = service("worker", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "WORKER_CONCURRENCY": "2",
      "WORKER_GRACE": "120",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py worker --queues default",
    "replicas": 1,
    "deploy": {
      "drainingSeconds": 120,
      "restartPolicyType": "ALWAYS",
      "limitOverride": {
        "containers": {
          "cpu": 0.5,
          "memoryBytes": 805306368,
        },
      },
    },
  });
  const mailerService = service("mailer", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "MAILER_RATE": "10",
      "WORKER_CONCURRENCY": "2",
      "WORKER_GRACE": "20",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py worker --queues mail",
    "replicas": 1,
    "deploy": {
      "drainingSeconds": 20,
      "restartPolicyType": "ALWAYS",
      "limitOverride": {
        "containers": {
          "cpu": 0.5,
          "memoryBytes": 536870912,
        },
      },
    },
  });
  const cron1 = service("cron-every-minute", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_every_minute",
    "deploy": {
      "cronSchedule": "*/5 * * * *",
      "restartPolicyType": "NEVER",
    },
  });
  const cron2 = service("cron-weekly-digest", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_weekly_digest",
    "deploy": {
      "cronSchedule": "0 7,8 * * 1",
      "restartPolicyType": "NEVER",
    },
  });
  const cron3 = service("cron-night-shift", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_night_shift",
    "deploy": {
      "cronSchedule": "30 6,7 * * 0,5,6",
      "restartPolicyType": "NEVER",
    },
  });
  const cron4 = service("cron-night-shift-2", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_night_shift",
    "deploy": {
      "cronSchedule": "0 7 8-14 3 *",
      "restartPolicyType": "NEVER",
    },
  });
  const cron5 = service("cron-jittered", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_jittered",
    "deploy": {
      "cronSchedule": "26 6 * * *",
      "restartPolicyType": "NEVER",
    },
  });
  const cron6 = service("cron-month-end", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_month_end",
    "deploy": {
      "cronSchedule": "15 18 28-31 * *",
      "restartPolicyType": "NEVER",
    },
  });
  const cron7 = service("cron-office-hours", {
    "source": source,
    "build": {
      "builder": "DOCKERFILE",
      "dockerfilePath": "Dockerfile",
    },
    "env": {
      "DATABASE_URL": postgresServer.env.DATABASE_URL,
      "REDIS_URL": redisServer.env.REDIS_URL,
      "LOG_LEVEL": "INFO",
      "GREETING": "He said \"50 % off\", and left $5 \\ more",
      "SECRET_KEY": ctx.shared.SECRET_KEY,
      "STRIPE_KEY": ctx.shared.STRIPE_KEY,
      "SENTRY_DSN": ctx.shared.SENTRY_DSN,
      "ALLOWED_HOSTS": webService.env.RAILWAY_PUBLIC_DOMAIN,
      "BASE_URL": "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    },
    "start": "python manage.py enqueue_office_hours",
    "deploy": {
      "cronSchedule": "*/15 8-17 * * 1-5",
      "restartPolicyType": "NEVER",
    },
  });
  return project("bakery", { resources: [postgresServer, redisServer, webService, workerService, mailerService, cron1, cron2, cron3, cron4, cron5, cron6, cron7] });
});
